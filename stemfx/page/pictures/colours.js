// Colours: what the page's theme says, and maps from a value to a colour.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});

  // Magma of matplotlib (CC0) at 17 even places: lightness rises evenly, for every kind of eye.
  const MAGMA = "0000040a08221d114736106b51127c6a1c818326819c2e7fb73779d0416fe75263f56b5cfc8961fea772fec488fde2a3fcfdbf";
  // Blue: less. Red: more. No change has the colour of the ground, so that changes stand out.
  const CHANGE = {
    light: "0b3c7f2b6cb86ba3d8b5d2ecfcfcfcf6c3b3e5836ec23a3d7f0b1f",
    dark: "a6d8ff5fa8f02f6fb81e3c5e181a1f5c2a2ab23c3cf0746cffc2b0",
  };
  // What page.css names; the ground of pictures is a panel.
  const NAMES = ["panel", "ink", "dim", "line", "accent", "good", "warn", "bad", "cursor"];
  // Hues for what has no lane's colour.
  const LANES = ["#4c9be8", "#e0609a", "#e0a030", "#4cb071", "#9a7be0", "#d2694a", "#3fb0b0", "#909090"];

  const pen = document.createElement("canvas").getContext("2d");
  // Any CSS colour as [red, green, blue], 0..255.
  function rgbOf(colour) {
    pen.fillStyle = "#000";
    pen.fillStyle = colour;
    const hex = pen.fillStyle.startsWith("#") ? pen.fillStyle : null;
    const parts = hex ? hex.slice(1).match(/../g).map((h) => parseInt(h, 16)) : pen.fillStyle.match(/[\d.]+/g).map(Number);
    return parts.slice(0, 3);
  }

  // 1 for white, 0 for black (Rec. 709 weights on coded values: good enough to tell dark from light).
  const lightness = (colour) => {
    const [r, g, b] = rgbOf(colour);
    return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
  };

  // The page's colours and font where `element` stands.
  stemfx.theme = (element) => {
    const style = getComputedStyle(element);
    const theme = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    return { ...theme, lanes: LANES, font: style.fontFamily, is_dark: lightness(theme.panel || "#fff") < 0.5 };
  };

  // 256 colours through evenly spaced stops, as the bytes of ImageData: uint32, alpha highest.
  function tableOf(hex) {
    const stops = hex.match(/.{6}/g).map((h) => rgbOf(`#${h}`));
    return Uint32Array.from({ length: 256 }, (_, i) => {
      const place = (i / 255) * (stops.length - 1);
      const k = Math.min(Math.floor(place), stops.length - 2);
      const [r, g, b] = stops[k].map((c, j) => Math.round(c + (stops[k + 1][j] - c) * (place - k)));
      return (255 << 24) | (b << 16) | (g << 8) | r;
    });
  }

  const tables = new Map();
  // The map "level" (dark to bright) or "change" (blue, ground, red) in a theme.
  stemfx.colourTable = (kind, theme) => {
    const hex = kind === "level" ? MAGMA : CHANGE[theme.is_dark ? "dark" : "light"];
    if (!tables.has(hex)) tables.set(hex, tableOf(hex));
    return tables.get(hex);
  };

  // A CSS colour as one uint32 for ImageData.
  stemfx.pixelOf = (colour) => {
    const [r, g, b] = rgbOf(colour);
    return (255 << 24) | (b << 16) | (g << 8) | r;
  };

  // The colour of a point: that of its lane.
  stemfx.pointColour = (point, data, theme) => {
    const k = data.lanes.findIndex((lane) => lane.points.includes(point.id) || lane.after === point.id);
    return (k >= 0 && data.lanes[k].color) || theme.lanes[Math.max(0, k) % theme.lanes.length];
  };
})();

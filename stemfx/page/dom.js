// Small things that every part of the page uses: elements, words for numbers, the live region, copying.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});

  // Make an element. Properties: `text`, `on: {event: fn}`, any other is an attribute (true: empty,
  // false or null: left out). Children are nodes or text, which stays text.
  function el(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "text") element.textContent = value;
      else if (name === "on")
        for (const [event, fn] of Object.entries(value)) element.addEventListener(event, fn);
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  const button = (text, onClick, properties = {}) =>
    el("button", { type: "button", text, on: { click: onClick }, ...properties });

  // A button that stays down; `pressed(is)` shows its state.
  function toggle(text, onClick, properties = {}) {
    const element = button(text, onClick, { "aria-pressed": "false", ...properties });
    element.pressed = (is) => element.setAttribute("aria-pressed", String(Boolean(is)));
    return element;
  }

  // -1.25 -> "−1.3"; never "-0.0".
  const decimal = (value, digits) => {
    const text = value.toFixed(digits);
    return Number(text) === 0 ? (0).toFixed(digits) : text.replace("-", "−");
  };
  const db = (value, unit = "dB", digits = 1) =>
    value === null || value === undefined
      ? `– ${unit}`
      : Number.isFinite(value)
        ? `${decimal(value, digits)} ${unit}`
        : `silent`;
  const signedDb = (value, digits = 1) =>
    `${Number(value.toFixed(digits)) > 0 ? "+" : ""}${db(value, "dB", digits)}`;

  // 83.4 -> "1:23.4"
  function clock(time_s, digits = 0) {
    const scale = 10 ** digits;
    const ticks = Math.floor(Math.max(0, time_s) * scale + 1e-6);
    const minutes = Math.floor(ticks / scale / 60);
    const seconds = (ticks / scale - 60 * minutes).toFixed(digits);
    return `${minutes}:${seconds.padStart(digits ? digits + 3 : 2, "0")}`;
  }

  const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

  // Tell a screen reader, and show for a moment, what has changed.
  let forgetting = 0;
  function say(text, shown_s = 2.5) {
    const region = document.getElementById("said");
    region.textContent = text;
    region.classList.add("is-shown");
    clearTimeout(forgetting);
    forgetting = setTimeout(() => region.classList.remove("is-shown"), 1000 * shown_s);
  }

  // Pages from disk may have no navigator.clipboard: then a selection is copied.
  async function copyText(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = el("textarea", {
        class: "off-screen",
        readonly: true,
        "aria-hidden": "true",
        tabindex: "-1",
      });
      area.value = text;
      const had = document.activeElement;
      (document.querySelector("dialog[open]") ?? document.body).append(area);
      area.select();
      const isCopied = document.execCommand("copy");
      area.remove();
      had?.focus({ preventScroll: true });
      return isCopied;
    }
  }

  function copyButton(text, label, name) {
    const element = button(
      label,
      async () => {
        const isCopied = await copyText(typeof text === "function" ? text() : text);
        element.textContent = isCopied ? "Copied" : "Not copied";
        say(
          isCopied ? `Copied: ${name}` : "The browser did not let this page copy; select the text by hand.",
        );
        setTimeout(() => (element.textContent = label), 1600);
      },
      { class: "copy", "aria-label": `${label}: ${name}` },
    );
    return element;
  }

  // on(event, fn) and tell(event, ...) for an object that others listen to; on returns what ends it.
  function listeners() {
    const known = new Map();
    return {
      on(event, fn) {
        if (!known.has(event)) known.set(event, new Set());
        known.get(event).add(fn);
        return () => known.get(event).delete(fn);
      },
      tell(event, ...values) {
        for (const fn of known.get(event) ?? []) fn(...values);
      },
    };
  }

  stemfx.dom = { el, button, toggle, decimal, db, signedDb, clock, count, say, copyText, copyButton, listeners };
})();

// A canvas over time: sharp on every screen, with a time axis, the play position, and click to seek.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});

  // Steps of a time axis in s.
  const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600];

  // Times that get a tick where `width` px show from..to, at least 56 px apart.
  stemfx.timeTicks = (from_s, to_s, width) => {
    const least_s = (56 * (to_s - from_s)) / Math.max(width, 56);
    const step_s = STEPS_S.find((step) => step >= least_s) ?? Math.ceil(least_s / 600) * 600;
    const ticks = [];
    for (let k = Math.ceil(from_s / step_s - 1e-6); k * step_s <= to_s + 1e-6; k++) ticks.push(k * step_s);
    return { step_s, ticks };
  };

  function paintTimes(pen, box, theme, [from_s, to_s]) {
    const { step_s, ticks } = stemfx.timeTicks(from_s, to_s, box.width);
    pen.fillStyle = theme.dim;
    pen.textBaseline = "top";
    for (const t of ticks) {
      const x = box.left + (box.width * (t - from_s)) / (to_s - from_s);
      pen.fillRect(Math.round(x), box.top + box.height, 1, 4);
      pen.textAlign = x < box.left + 12 ? "left" : x > box.left + box.width - 14 ? "right" : "center";
      pen.fillText(stemfx.dom.clock(t, step_s < 1 ? 1 : 0), x, box.top + box.height + 6);
    }
  }

  // Put a sheet into `element`. `wanted`:
  //   page, label (told to a screen reader), height (px of the plot), margins {left, right},
  //   span() -> [from_s, to_s], paint(pen, box, theme, scale) in CSS px,
  //   tell(time_s, x, y, box) -> text under the pointer, clicked(time_s, x, y, box) instead of to seek.
  // Returns {repaint, destroy, element}.
  stemfx.sheet = (element, wanted) => {
    const { page, height } = wanted;
    const kept = stemfx.keeper();
    const margins = () => ({ left: 8, right: 8, ...(typeof wanted.margins === "function" ? wanted.margins(element.clientWidth) : wanted.margins) });
    const canvas = stemfx.dom.el("canvas", { class: "pic-canvas", role: "img", "aria-label": wanted.label });
    const cursor = stemfx.dom.el("div", { class: "pic-cursor" });
    const told = stemfx.dom.el("p", { class: "pic-told", "aria-hidden": "true" }, "\u00a0");
    const frame = stemfx.dom.el("div", { class: "pic-sheet" }, canvas, cursor);
    element.append(frame, told);

    const box = () => {
      const { left, right } = margins();
      return { left, top: 4, width: Math.max(1, element.clientWidth - left - right), height };
    };
    let position_s = page.position ?? 0;
    const moveCursor = () => {
      const { left, width } = box();
      const [from_s, to_s] = wanted.span();
      const share = (position_s - from_s) / (to_s - from_s);
      cursor.hidden = !(share >= 0 && share <= 1);
      cursor.style.transform = `translateX(${left + share * width}px)`;
    };
    const repaint = () => {
      if (!element.clientWidth) return;
      const scale = globalThis.devicePixelRatio || 1;
      const theme = stemfx.theme(element);
      canvas.style.height = `${height + 24}px`;
      canvas.width = Math.round(element.clientWidth * scale);
      canvas.height = Math.round((height + 24) * scale);
      cursor.style.height = `${height}px`;
      const pen = canvas.getContext("2d");
      pen.scale(scale, scale);
      pen.font = `11px ${theme.font || "sans-serif"}`;
      wanted.paint(pen, box(), theme, scale);
      paintTimes(pen, box(), theme, wanted.span());
      moveCursor();
    };
    const where = (event) => {
      const area = canvas.getBoundingClientRect();
      const x = event.clientX - area.left;
      const y = event.clientY - area.top;
      const here = box();
      const [from_s, to_s] = wanted.span();
      const share = Math.min(1, Math.max(0, (x - here.left) / here.width));
      return [from_s + share * (to_s - from_s), x, y, here];
    };
    canvas.addEventListener("click", (event) => {
      const [time_s, ...place] = where(event);
      if (wanted.clicked) wanted.clicked(time_s, ...place);
      else stemfx.hearFrom(page, time_s);
    });
    if (wanted.tell) {
      canvas.addEventListener("pointermove", (event) => { told.textContent = wanted.tell(...where(event)) || "\u00a0"; });
      canvas.addEventListener("pointerleave", () => { told.textContent = "\u00a0"; });
    }
    kept.keep(stemfx.redrawn(element, page, repaint));
    kept.keep(page.on("position", (now_s) => {
      position_s = now_s;
      wanted.moved?.(now_s);
      moveCursor();
    }));
    repaint();
    return {
      repaint,
      label: (text) => canvas.setAttribute("aria-label", text),
      destroy: () => {
        kept.end();
        frame.remove();
        told.remove();
      },
    };
  };
})();

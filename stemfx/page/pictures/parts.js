// Parts that pictures are made of: choosers, tables; and how they hear from the page.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});

  // A labelled select. `options`: [[value, text], ...]; `chosen(value)` on change. `set(value)` of the
  // answer shows another choice without a word.
  stemfx.chooser = (label, options, value, chosen) => {
    const { el } = stemfx.dom;
    const select = el("select", { on: { change: () => chosen(select.value) } },
      ...options.map(([key, text]) => el("option", { value: key, text })));
    select.value = value;
    const whole = el("label", { class: "pic-choice" }, `${label} `, select);
    whole.set = (next) => { select.value = next; };
    return whole;
  };

  // A table with row heads. `rows`: [[head, cell, ...], ...]; a cell is text or an element.
  stemfx.table = (caption, heads, rows) => {
    const { el } = stemfx.dom;
    return el("div", { class: "pic-scroll", tabindex: "0", role: "region", "aria-label": caption },
      el("table", { class: "pic-table" },
        el("caption", { text: caption }),
        el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col", text })))),
        el("tbody", {}, ...rows.map(([head, ...cells]) => el("tr", {},
          el("th", { scope: "row" }, head), ...cells.map((cell) => el("td", {}, cell)))))));
  };

  // Run `fn` once, when `element` comes near the view; the answer gives it up.
  stemfx.whenSeen = (element, fn) => {
    const watcher = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watcher.disconnect();
      fn();
    }, { rootMargin: "200px" });
    watcher.observe(element);
    return () => watcher.disconnect();
  };

  // Hear an event of the page until the answer is called.
  stemfx.heed = (page, event, fn) => {
    let is_heard = true;
    const off = page.on(event, (...told) => { if (is_heard) fn(...told); });
    return () => {
      is_heard = false;
      if (typeof off === "function") off();
    };
  };

  // Draw anew whenever the width of `element` or the theme changes.
  stemfx.redrawn = (element, page, draw) => {
    let width = element.clientWidth;
    let frame = 0;
    const watcher = new ResizeObserver(() => {
      if (element.clientWidth === width || !element.clientWidth) return;
      width = element.clientWidth;
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(draw);
    });
    watcher.observe(element);
    const off = stemfx.heed(page, "theme", draw);
    return () => {
      watcher.disconnect();
      cancelAnimationFrame(frame);
      off();
    };
  };

  // Move the page's play position, and play from there if asked to.
  stemfx.hearFrom = async (page, position_s, is_to_play = false) => {
    const engine = await page.engine();
    if (!engine) return;
    await engine.seek(Math.max(0, position_s));
    if (is_to_play && !engine.isPlaying) engine.play();
  };

  // Ends of what a picture holds: `keep` them, `end` them all.
  stemfx.keeper = () => {
    let ends = [];
    return {
      keep: (end) => { ends.push(typeof end === "function" ? end : () => end?.destroy?.()); },
      end: () => {
        for (const end of ends) end();
        ends = [];
      },
    };
  };

  stemfx.pointsById = (data) => new Map(data.points.map((point) => [point.id, point]));
  stemfx.pictured = (data) => data.points.filter((point) => point.spectrogram);
  // Steps whose both ends have a picture.
  stemfx.picturedSteps = (data) => {
    const points = stemfx.pointsById(data);
    return data.steps.filter((step) => points.get(step.before)?.spectrogram && points.get(step.after)?.spectrogram);
  };
})();

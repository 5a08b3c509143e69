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

  // What goes wrong while something is drawn into `element` is a sentence there.
  stemfx.orSaid = (element, drawn) => Promise.resolve(drawn).catch((error) => {
    const text = `This picture could not be drawn: ${error.message}`;
    element.append(stemfx.dom.el("p", { class: "note", text }));
  });

  // Draw anew, in turn, whenever the width of `element` or the theme changes.
  stemfx.redrawn = (element, page, draw) => {
    let width = element.clientWidth;
    let is_asked = false;
    const ask = () => {
      if (is_asked) return;
      is_asked = true;
      stemfx.inTurn(() => {
        is_asked = false;
        if (element.isConnected) draw();
      });
    };
    const watcher = new ResizeObserver(() => {
      if (element.clientWidth === width || !element.clientWidth) return;
      width = element.clientWidth;
      ask();
    });
    watcher.observe(element);
    const off = page.on("theme", ask);
    return () => {
      watcher.disconnect();
      off();
    };
  };

  // Move the play position, and play from there if asked to.
  stemfx.hearFrom = (page, position_s, is_to_play = false) => {
    page.seek(Math.max(0, position_s));
    if (is_to_play) page.play();
  };

  // Do heavy things one a task, in order, so that the page stays quick under the hand.
  const waiting = [];
  let is_working = false;
  function work() {
    is_working = waiting.length > 0;
    if (!is_working) return;
    const [make, done, failed] = waiting.shift();
    try {
      done(make());
    } catch (error) {
      failed(error);
    }
    setTimeout(work);
  }
  stemfx.inTurn = (make) => new Promise((done, failed) => {
    waiting.push([make, done, failed]);
    if (is_working) return;
    is_working = true;
    setTimeout(work);
  });

  // Make what can be destroyed in its turn, unless `element` has left the page by then; `kept` ends it.
  stemfx.drawInTurn = (kept, element, make) => stemfx.orSaid(element, stemfx.inTurn(() => {
    if (element.isConnected) kept.keep(make());
  }));

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

  // In which time points are drawn: {length_s, page, note}. Those of a song that was moved in time
  // run in their own: no play position goes through them, and a click there seeks nothing.
  stemfx.timeOf = (points, data, page) => {
    if (!points.some((point) => point.has_own_time)) return { length_s: data.duration_s, page, note: null };
    const lengths_s = points.map((point) => (point.spectrogram?.columns ?? 0) * data.picture.column_s);
    const still = {
      position: -1,
      seek: () => stemfx.dom.say("This is drawn in the song's own time, before it was aligned."),
      play: () => {},
      on: (event, fn) => (event === "theme" ? page.on(event, fn) : () => {}),
    };
    const text = points.every((point) => point.has_own_time)
      ? "Times are those of the song before it was aligned."
      : "Not all of these run in one time, as some are from before the song was aligned: compare the whole, not moments.";
    return { length_s: Math.max(...lengths_s), page: still, note: stemfx.dom.el("p", { class: "note", text }) };
  };

  stemfx.pointsById = (data) => new Map(data.points.map((point) => [point.id, point]));
  stemfx.pictured = (data) => data.points.filter((point) => point.spectrogram);
  // Steps whose both ends have a picture.
  stemfx.picturedSteps = (data) => {
    const points = stemfx.pointsById(data);
    return data.steps.filter((step) => points.get(step.before)?.spectrogram && points.get(step.after)?.spectrogram);
  };
})();

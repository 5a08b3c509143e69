// One row for each source, track, mix and master: its fader and its waveform, all on one time axis.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const { el, button, toggle, db, signedDb, say } = stemfx.dom;

  const LOWEST_DB = -60; // the bottom of a fader
  const HIGHEST_DB = 12;
  const MOST_PX_PER_S = 400;
  const DRAGGED_TOO_FAR_PX = 5; // wavesurfer begins a dragged region so wide and keeps the surplus
  const FOLLOWS_AGAIN_MS = 3000; // after a scroll by hand

  // Draw the highest and lowest sample of every pixel, as tall as `tallness` says. wavesurfer's own
  // drawing mirrors the larger of the two and leaves a gap between its canvases.
  function envelope([highs, lows], pen, tallness) {
    const { width, height } = pen.canvas;
    const middle = height / 2;
    const y = (value) => Math.min(height, Math.max(0, middle - value * tallness * middle));
    const n = highs.length;
    for (let x = 0; x < width; x++) {
      const from = Math.floor((x * n) / width), to = Math.max(from + 1, Math.floor(((x + 1) * n) / width));
      let high = -1, low = 1;
      for (let i = from; i < to; i++) {
        if (highs[i] > high) high = highs[i];
        if (lows[i] < low) low = lows[i];
      }
      const top = y(high);
      pen.fillRect(x, top, 1, Math.max(1, y(low) - top));
    }
  }

  // ---- one lane ----------------------------------------------------------------------------

  class Lane {
    constructor(lane, number, lanes) {
      this.lane = lane;
      this.lanes = lanes;
      const { page, listening } = lanes;
      const name = lane.label;
      this.mute = toggle("M", () => listening.change(lane.id, { mute: !lane.mute }), { class: "mute", "aria-label": `Mute ${name}`, title: "Mute (m)" });
      this.solo = toggle("S", () => listening.solo(lane.id), { class: "solo", "aria-label": `Solo ${name}`, title: `Solo (s${number <= 9 ? ` or ${number}` : ""})` });
      this.gain = el("input", {
        type: "range", class: "gain", min: LOWEST_DB, max: Math.max(HIGHEST_DB, Math.ceil(lane.gain_db)), step: 0.5, "aria-label": `Gain of ${name}`,
        title: "Double-click: back to the recipe's fader",
        on: {
          input: () => listening.change(lane.id, { gain_db: Number(this.gain.value) }),
          dblclick: () => listening.change(lane.id, { gain_db: lane.gain_recipe_db }),
        },
      });
      this.gainText = el("output", { class: "gain-text" });
      this.point = this.#pointChoice(name);
      this.note = el("p", { class: "note", hidden: true });
      this.wave = el("div", { class: "wave", "aria-hidden": "true" });
      this.cursor = el("div", { class: "cursor" });
      this.element = el("li", { class: `lane kind-${lane.kind}`, "data-lane": lane.id, "aria-label": name },
        el("div", { class: "head" },
          el("h3", { title: name }, el("span", { class: "number", "aria-hidden": "true", text: number }), name), this.mute, this.solo, this.point,
          el("div", { class: "fader" }, this.gain, this.gainText)),
        el("div", { class: "box" }, this.wave, this.note, this.cursor));
      this.element.style.setProperty("--lane", lane.color);
      this.element.addEventListener("pointerdown", () => lanes.focus(this));
      this.element.addEventListener("focusin", () => lanes.focus(this));
      this.surfer = null;
      this.drawn = null;
      this.isReady = false;
      this.page = page;
    }

    #pointChoice(name) {
      const { lane, lanes: { listening } } = this;
      const early = lane.early ?? [];
      const ids = [...early, ...lane.points];
      const labelOf = (id) => {
        const point = listening.points.get(id);
        const end = early.includes(id) ? "unaligned: " : id === lane.after && ids.length > 1 ? "after: " : id === lane.before && ids.length > 1 ? "before: " : "";
        return `${end}${point.short}${point.n_segments ? "" : " (no sound)"}`;
      };
      if (ids.length < 2) return el("span", { class: "point", text: listening.points.get(ids[0])?.short ?? "" });
      return el("select", { class: "point", "aria-label": `Which point of ${name}`, on: { change: (event) => listening.change(lane.id, { point: event.target.value }) } },
        ...ids.map((id) => el("option", { value: id, text: labelOf(id) })));
    }

    // Show the state of the mixer.
    show(isHeard) {
      const { lane } = this;
      this.mute.pressed(lane.mute);
      this.solo.pressed(lane.solo);
      this.gain.value = lane.gain_db;
      const text = signedDb(lane.gain_db);
      if (this.gainText.textContent !== text) {
        this.gainText.textContent = text;
        this.gain.setAttribute("aria-valuetext", text);
      }
      if (this.point.value !== undefined) this.point.value = lane.point;
      this.element.classList.toggle("is-heard", isHeard);
      if (this.surfer && this.drawn !== lane.point) this.draw();
      this.#notice();
    }

    #notice() {
      const point = this.lanes.listening.points.get(this.lane.point);
      const isSeen = Boolean(point.peaks);
      this.note.textContent =
        !isSeen && !point.n_segments ? "The cache no longer holds this signal: run the recipe again to hear and see it."
          : !point.n_segments ? "Only a picture: this page has no room for the sound of this point."
            : point.has_own_time ? "In the song's own time: not in step with the other lanes." : "";
      this.note.hidden = !this.note.textContent;
    }

    // Make the waveform; called once, when the lane comes near the window.
    begin() {
      const { lanes, wave, lane } = this;
      this.surfer = WaveSurfer.create({
        container: wave, height: "auto", waveColor: lane.color, progressColor: lane.color, cursorWidth: 0,
        renderFunction: (sides, pen) => envelope(sides, pen, lanes.tallness), minPxPerSec: lanes.px_per_s, autoScroll: false, autoCenter: false, hideScrollbar: true, interact: true,
      });
      this.regions = this.surfer.registerPlugin(WaveSurfer.Regions.create());
      this.surfer.on("interaction", (time_s) => this.page.seek(time_s));
      this.surfer.on("scroll", (_start, _end, left_px) => lanes.scrolled(this, left_px));
      if (lanes.isMouse) this.regions.enableDragSelection({ color: "var(--loop)" });
      this.regions.on("region-created", (region) => this.#taken(region));
      this.regions.on("region-update", (region) => this.page.loop({ start_s: region.start, end_s: region.end }, { isDragging: true, by: this }));
      this.regions.on("region-updated", (region) => this.page.loop({ start_s: lanes.ruler.snapped(region.start), end_s: lanes.ruler.snapped(region.end) }));
      this.draw();
    }

    #taken(region) {
      if (this.isShowing) return;
      region.remove();
      const { ruler, drawn_px_per_s } = this.lanes;
      const end_s = region.end - DRAGGED_TOO_FAR_PX / drawn_px_per_s;
      this.page.loop({ start_s: ruler.snapped(region.start), end_s: ruler.snapped(end_s) });
    }

    draw() {
      const { lanes, lane } = this;
      const point = lanes.listening.points.get(lane.point);
      this.drawn = lane.point;
      const n = Math.ceil(lanes.duration_s * lanes.peaks_per_s);
      const { low, high } = point.peaks ? stemfx.decode.peaks(point) : { low: [], high: [] };
      const peaks = [high, low].map((side) => {
        const padded = new Float32Array(n);
        padded.set(side.subarray ? side.subarray(0, n) : side);
        return padded;
      });
      this.surfer.load("", peaks, lanes.duration_s).then(() => {
        this.isReady = true;
        this.surfer.setScroll(lanes.scroll_px);
        this.showRange(this.page.range);
      }, () => {}); // a newer choice of the point came first
    }

    showRange(range) {
      if (!this.isReady) return; // it is shown when the waveform is there
      const [region, ...more] = this.regions.getRegions();
      for (const one of more) one.remove();
      if (!range) region?.remove();
      else if (region) region.setOptions({ start: range.start_s, end: range.end_s });
      else {
        this.isShowing = true;
        this.regions.addRegion({ start: range.start_s, end: range.end_s, color: "var(--loop)", drag: this.lanes.isMouse, resize: true });
        this.isShowing = false;
      }
    }
  }

  // ---- all of them -------------------------------------------------------------------------

  stemfx.Lanes = class {
    constructor(page, listening) {
      this.page = page;
      this.listening = listening;
      this.duration_s = Math.max(0.1, page.data.duration_s);
      this.peaks_per_s = page.data.picture?.peaks_per_s ?? 50;
      this.isMouse = matchMedia("(pointer: fine)").matches;
      this.px_per_s = 0; // 0: all of the song fits
      this.scroll_px = 0;
      this.tallness = 1;
      this.handled_ms = -Infinity;
      this.ruler = new stemfx.Ruler(page, page.data.grids ?? []);
      this.rows = listening.lanes.map((lane, i) => new Lane(lane, i + 1, this));
      this.current = this.rows[0] ?? null;
      this.list = el("ol", { class: "lanes" }, ...this.rows.map((row) => row.element));
      this.element = el("div", { class: "desk" }, el("div", { class: "ruler-row" }, el("div", { class: "head" }), this.ruler.element), this.list);
      this.#lazily();
    }

    #lazily() {
      const seen = new IntersectionObserver((entries) => {
        for (const { isIntersecting, target } of entries) {
          if (!isIntersecting) continue;
          seen.unobserve(target);
          this.rows.find((row) => row.element === target).begin();
        }
      }, { rootMargin: "200px" });
      for (const row of this.rows) seen.observe(row.element);
      new ResizeObserver(() => this.#measure()).observe(this.ruler.element);
      this.ruler.element.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
      this.list.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    }

    #measure() {
      this.width_px = this.ruler.element.clientWidth;
      this.#show();
    }

    // Pixels a second as drawn: wavesurfer fills the width at least.
    get drawn_px_per_s() {
      return Math.max(this.px_per_s, (this.width_px ?? 0) / this.duration_s);
    }

    #show() {
      const { drawn_px_per_s: px_per_s, scroll_px, width_px = 0 } = this;
      this.ruler.show({ px_per_s, scroll_px, width_px });
      this.ruler.showRange(this.page.range);
      this.showPosition(this.page.position);
    }

    show() {
      const shown = this.listening.lanesShown();
      for (const row of this.rows) row.show(shown.includes(row.lane));
    }

    showRange(range, but = null) {
      this.ruler.showRange(range);
      for (const row of this.rows) if (row !== but) row.showRange(range);
    }

    showPosition(time_s) {
      const x = time_s * this.drawn_px_per_s - this.scroll_px;
      const isOut = x < 0 || x > (this.width_px ?? 0);
      const transform = `translateX(${x}px)`;
      for (const { cursor } of [...this.rows, this.ruler]) {
        cursor.style.transform = transform;
        cursor.hidden = isOut;
      }
      if (isOut && this.page.isPlaying && performance.now() - this.handled_ms > FOLLOWS_AGAIN_MS) this.reveal(time_s);
    }

    // Scroll so that a time is at the left of the window.
    reveal(time_s) {
      this.#scrollTo(time_s * this.drawn_px_per_s - 0.1 * (this.width_px ?? 0));
    }

    #scrollTo(left_px) {
      const most = this.drawn_px_per_s * this.duration_s - (this.width_px ?? 0);
      this.scroll_px = Math.round(Math.min(Math.max(0, left_px), Math.max(0, most)));
      for (const row of this.rows) if (row.surfer && row.surfer.getScroll() !== this.scroll_px) row.surfer.setScroll(this.scroll_px);
      this.#show();
    }

    // A lane was scrolled: by hand, or by #scrollTo, which then finds all at the same place.
    scrolled(row, left_px) {
      if (this.isZooming || Math.abs(left_px - this.scroll_px) < 1.5) return;
      this.handled_ms = performance.now();
      this.#scrollTo(left_px);
    }

    #wheel(event) {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        const x = event.clientX - this.ruler.element.getBoundingClientRect().left;
        this.zoom(event.deltaY < 0 ? 1.25 : 0.8, (x + this.scroll_px) / this.drawn_px_per_s);
      } else if (event.currentTarget === this.ruler.element && event.deltaX) {
        event.preventDefault();
        this.handled_ms = performance.now();
        this.#scrollTo(this.scroll_px + event.deltaX);
      }
    }

    // Zoom by a factor (0: all of the song), keeping a time where it is.
    zoom(factor, around_s = this.page.position) {
      const x = around_s * this.drawn_px_per_s - this.scroll_px;
      const fit = (this.width_px ?? 0) / this.duration_s;
      const wanted = Math.min(MOST_PX_PER_S, this.drawn_px_per_s * factor);
      this.px_per_s = factor === 0 || wanted <= fit * 1.01 ? 0 : wanted;
      this.isZooming = true;
      for (const { surfer } of this.rows) surfer?.zoom(this.px_per_s);
      this.isZooming = false;
      const isSeen = x >= 0 && x <= this.width_px;
      this.#scrollTo(around_s * this.drawn_px_per_s - (isSeen ? x : this.width_px / 2));
    }

    taller() {
      this.tallness = this.tallness >= 8 ? 1 : 2 * this.tallness;
      for (const { surfer } of this.rows) surfer?.setOptions({});
      say(`Waveforms ${this.tallness} times as tall`);
    }

    focus(row) {
      this.current?.element.classList.remove("is-current");
      this.current = row;
      row.element.classList.add("is-current");
    }

    // Move the focus to the lane above or below.
    step(direction) {
      const row = this.rows[Math.min(this.rows.length - 1, Math.max(0, this.rows.indexOf(this.current) + direction))];
      row?.solo.focus();
    }
  };
})();

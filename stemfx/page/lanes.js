// All rows on one time axis: zoom, scroll and the cursor are one for all of them.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const { el, say } = stemfx.dom;

  const MOST_PX_PER_S = 400;
  const FOLLOWS_AGAIN_MS = 3000; // after a scroll by hand
  const SCALES = [8, 6, 4, 3, 2, 1.5];

  // How much larger these points may be drawn so that the loudest of them still fits.
  function scaleOf(points) {
    const room = 10 ** (-Math.max(...points.map((point) => point.true_peak_dbtp ?? -Infinity)) / 20);
    return Number.isFinite(room) ? (SCALES.find((scale) => scale <= room) ?? 1) : 1;
  }

  stemfx.Lanes = class {
    constructor(page, listening) {
      this.page = page;
      this.listening = listening;
      this.duration_s = Math.max(0.1, page.data.duration_s);
      this.peaks_per_s = page.data.picture?.peaks_per_s ?? 50;
      this.isMouse = matchMedia("(pointer: fine)").matches;
      this.px_per_s = 0; // 0: all of the song fits
      this.scroll_px = 0;
      this.taller_by = 1;
      // Tracks share a scale, as they are compared with each other; so do all others.
      const results = (isTrack) =>
        listening.lanes
          .filter((lane) => (lane.kind === "track") === isTrack)
          .map((lane) => listening.points.get(lane.after));
      this.scales = { tracks: scaleOf(results(true)), others: scaleOf(results(false)) };
      this.handled_ms = -Infinity;
      this.ruler = new stemfx.Ruler(page, page.data.grids ?? []);
      this.rows = listening.lanes.map((lane, i) => new stemfx.Lane(lane, i + 1, this));
      this.current = null; // the one that was touched last
      this.list = el("ol", { class: "lanes" }, ...this.rows.map((row) => row.element));
      this.element = el(
        "div",
        { class: "desk" },
        el("div", { class: "ruler-row" }, el("div", { class: "head" }), this.ruler.element),
        this.list,
      );
      this.#lazily();
    }

    #lazily() {
      const seen = new IntersectionObserver(
        (entries) => {
          for (const { isIntersecting, target } of entries) {
            if (!isIntersecting) continue;
            seen.unobserve(target);
            this.rows.find((row) => row.element === target).begin();
          }
        },
        { rootMargin: "200px" },
      );
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

    // `isAsked`: somebody went there, so it is shown.
    showPosition(time_s, isAsked = false) {
      const x = time_s * this.drawn_px_per_s - this.scroll_px;
      const isOut = x < 0 || x > (this.width_px ?? 0);
      const transform = `translateX(${x}px)`;
      for (const { cursor } of [...this.rows, this.ruler]) {
        cursor.style.transform = transform;
        cursor.hidden = isOut;
      }
      const isFollowing = this.page.isPlaying && performance.now() - this.handled_ms > FOLLOWS_AGAIN_MS;
      if (isOut && (isAsked || isFollowing)) this.reveal(time_s);
    }

    // Scroll so that a time is at the left of the window.
    reveal(time_s) {
      this.#scrollTo(time_s * this.drawn_px_per_s - 0.1 * (this.width_px ?? 0));
    }

    #scrollTo(left_px) {
      const most = this.drawn_px_per_s * this.duration_s - (this.width_px ?? 0);
      this.scroll_px = Math.round(Math.min(Math.max(0, left_px), Math.max(0, most)));
      for (const row of this.rows)
        if (row.surfer && row.surfer.getScroll() !== this.scroll_px) row.surfer.setScroll(this.scroll_px);
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

    // How many times larger than full scale a lane is drawn: by its scale, or less if it would not fit.
    tallness(lane) {
      const { tracks, others } = this.scales;
      const scale = lane.kind === "track" ? tracks : others;
      return this.taller_by * Math.min(scale, scaleOf([this.listening.points.get(lane.point)]));
    }

    taller() {
      this.taller_by = this.taller_by >= 8 ? 1 : 2 * this.taller_by;
      for (const { surfer } of this.rows) surfer?.setOptions({});
      this.show();
      say(`Waveforms ${this.taller_by} times as tall`);
    }

    focus(row) {
      this.current?.element.classList.remove("is-current");
      this.current = row;
      row.element.classList.add("is-current");
    }

    // Move the focus to the lane above or below.
    step(direction) {
      const row =
        this.rows[Math.min(this.rows.length - 1, Math.max(0, this.rows.indexOf(this.current) + direction))];
      row?.solo.focus();
    }
  };
})();

// The ruler over the lanes: time, beats, bars and sections; a click seeks, a drag makes a loop.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const { el, button, clock } = stemfx.dom;

  const STEPS_S = [0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300];
  const LABEL_PX = 58;
  const HEIGHT_PX = 34;
  const DRAG_PX = 4;

  // The index of the last of some ascending times that is not after `time_s`; -1 before the first.
  function lastAt(times_s, time_s) {
    let low = 0,
      high = times_s.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times_s[middle] <= time_s + 1e-6) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  stemfx.Ruler = class {
    // view: {px_per_s, scroll_px, width_px}. page: of stemfx.page.
    constructor(page, grids) {
      this.page = page;
      this.grids = grids;
      // What is shown, and what bars and snapping go by: never a song's own time, which the page is not in.
      this.timing =
        grids.find((grid) => grid.is_aligned) ?? grids.find((grid) => !this.isOwnTime(grid)) ?? null;
      this.grid = this.timing ?? grids[0] ?? null;
      this.doesSnap = false;
      this.view = { px_per_s: 1, scroll_px: 0, width_px: 0 };
      this.canvas = el("canvas", { class: "ticks", "aria-hidden": "true" });
      this.sections = el("div", { class: "sections" });
      this.cursor = el("div", { class: "cursor", "aria-hidden": "true" });
      this.loop = el("div", { class: "loop", "aria-hidden": "true" });
      this.element = el("div", { class: "ruler" }, this.sections, this.canvas, this.loop, this.cursor);
      this.#drags();
      this.#fillSections();
    }

    use(number) {
      this.grid = this.grids[number] ?? null;
      if (this.grid && !this.isOwnTime(this.grid)) this.timing = this.grid;
      this.#fillSections();
      this.draw();
    }

    // Whether a grid is in the time of a song that was then aligned.
    isOwnTime(grid) {
      const { lanes, points } = this.page.listening;
      const song = lanes.find((lane) => lane.kind === "source" && lane.label === grid.source);
      return !grid.is_aligned && Boolean(song && points.get(song.after).has_own_time);
    }

    // Bars of the page as times; without a grid none.
    get bars_s() {
      return this.timing?.downbeats_s ?? [];
    }

    // "bar 17, beat 3" or "".
    barAt(time_s) {
      const bar = lastAt(this.bars_s, time_s);
      if (bar < 0) return "";
      const beats = this.timing.beats_s;
      const first = lastAt(beats, this.bars_s[bar] + 0.02);
      return `bar ${bar + 1}, beat ${Math.max(1, lastAt(beats, time_s) - first + 1)}`;
    }

    // The bar before or after a time; without bars five seconds away.
    next(time_s, direction) {
      const bars = this.bars_s;
      if (!bars.length) return time_s + 5 * direction;
      const here = lastAt(bars, time_s);
      if (direction > 0) return bars[here + 1] ?? this.page.data.duration_s;
      const isJustThere = here >= 0 && time_s - bars[here] < 0.25; // twice in a row goes on
      return bars[isJustThere ? here - 1 : here] ?? 0;
    }

    // The nearest bar line, if the loop snaps to them.
    snapped(time_s) {
      if (!this.doesSnap || !this.bars_s.length) return time_s;
      const here = lastAt(this.bars_s, time_s);
      const near = [this.bars_s[here], this.bars_s[here + 1]].filter((bar) => bar !== undefined);
      return near.reduce((best, bar) => (Math.abs(bar - time_s) < Math.abs(best - time_s) ? bar : best));
    }

    // A dragged range as a loop: from bar to bar, one at least, if the loop snaps to them.
    loopOf(one_s, other_s) {
      const [start_s, end_s] = [one_s, other_s].map((time) => this.snapped(time)).sort((a, b) => a - b);
      return { start_s, end_s: end_s > start_s || !this.doesSnap ? end_s : this.next(start_s, 1) };
    }

    #fillSections() {
      const { duration_s } = this.page.data;
      const sections = (this.grid?.sections ?? []).filter((section) => section.start_s < duration_s);
      this.sections.replaceChildren(
        ...sections.map((section, i) => {
          const end_s = Math.min(section.end_s, duration_s);
          const element = button(
            section.label,
            (event) => {
              if (event.shiftKey || event.detail === 2) this.page.loop({ start_s: section.start_s, end_s });
              this.page.seek(section.start_s);
            },
            {
              class: `section of-${i % 2}`,
              title: `${section.label}, ${clock(section.start_s)} to ${clock(end_s)}: click to go there, shift-click to loop it`,
              "aria-label": `Section ${section.label} at ${clock(section.start_s)}`,
            },
          );
          element.style.left = `${(100 * section.start_s) / duration_s}%`;
          element.style.width = `${(100 * (end_s - section.start_s)) / duration_s}%`;
          return element;
        }),
      );
      this.element.classList.toggle("has-sections", sections.length > 0);
    }

    show(view) {
      this.view = view;
      this.sections.style.width = `${view.px_per_s * this.page.data.duration_s}px`;
      this.sections.style.transform = `translateX(${-view.scroll_px}px)`;
      this.draw();
    }

    showRange(range) {
      this.loop.hidden = !range;
      if (!range) return;
      this.loop.style.width = `${(range.end_s - range.start_s) * this.view.px_per_s}px`;
      this.loop.style.transform = `translateX(${range.start_s * this.view.px_per_s - this.view.scroll_px}px)`;
    }

    draw() {
      const { px_per_s, scroll_px, width_px } = this.view;
      if (!width_px) return;
      const ratio = devicePixelRatio || 1;
      const { canvas } = this;
      canvas.width = Math.round(width_px * ratio);
      canvas.height = Math.round(HEIGHT_PX * ratio);
      const style = getComputedStyle(this.element);
      const [ink, dim, line] = ["--ink", "--dim", "--tick"].map((name) =>
        style.getPropertyValue(name).trim(),
      );
      const pen = canvas.getContext("2d");
      pen.scale(ratio, ratio);
      pen.clearRect(0, 0, width_px, HEIGHT_PX);
      pen.font = `11px ${style.fontFamily}`;
      pen.textBaseline = "top";
      const from_s = scroll_px / px_per_s,
        to_s = (scroll_px + width_px) / px_per_s;
      const x = (time_s) => Math.round(time_s * px_per_s - scroll_px) + 0.5;
      const tick = (time_s, top, bottom, colour) => {
        pen.strokeStyle = colour;
        pen.beginPath();
        pen.moveTo(x(time_s), top);
        pen.lineTo(x(time_s), bottom);
        pen.stroke();
      };
      const step_s = STEPS_S.find((step) => step * px_per_s >= LABEL_PX) ?? 600;
      pen.fillStyle = dim;
      for (let i = Math.ceil(from_s / step_s); i * step_s <= to_s; i++) {
        tick(i * step_s, 0, 14, line);
        pen.fillText(clock(i * step_s, step_s < 1 ? 2 : 0), x(i * step_s) + 3, 2);
      }
      if (!this.grid) return;
      const beat_px = (px_per_s * 60) / (this.grid.bpm || 120);
      const { beats_s, downbeats_s } = this.grid;
      if (beat_px >= 5)
        for (let i = lastAt(beats_s, from_s) + 1; i < beats_s.length && beats_s[i] <= to_s; i++)
          tick(beats_s[i], HEIGHT_PX - 5, HEIGHT_PX, line);
      const every = [1, 2, 4, 8, 16, 32, 64].find((n) => 4 * beat_px * n >= 26) ?? 128;
      pen.fillStyle = ink;
      for (
        let i = Math.max(0, lastAt(downbeats_s, from_s));
        i < downbeats_s.length && downbeats_s[i] <= to_s;
        i++
      ) {
        if (4 * beat_px >= 13 || i % every === 0) tick(downbeats_s[i], HEIGHT_PX - 10, HEIGHT_PX, dim);
        if (i % every === 0) pen.fillText(String(i + 1), x(downbeats_s[i]) + 3, HEIGHT_PX - 14);
      }
    }

    #drags() {
      const { canvas } = this;
      const timeAt = (event) => {
        const x = event.clientX - canvas.getBoundingClientRect().left + this.view.scroll_px;
        return Math.min(this.page.data.duration_s, Math.max(0, x / this.view.px_per_s));
      };
      let from = null;
      canvas.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        from = { x: event.clientX, time_s: timeAt(event), isDrag: false };
        canvas.setPointerCapture(event.pointerId);
      });
      canvas.addEventListener("pointermove", (event) => {
        if (!from || (!from.isDrag && Math.abs(event.clientX - from.x) < DRAG_PX)) return;
        from.isDrag = true;
        this.page.loop(this.loopOf(from.time_s, timeAt(event)), { isDragging: true });
      });
      canvas.addEventListener("pointerup", () => {
        if (from?.isDrag) this.page.loop(this.page.range);
        else if (from) this.page.seek(from.time_s);
        from = null;
      });
      canvas.addEventListener("pointercancel", () => (from = null));
    }
  };
})();

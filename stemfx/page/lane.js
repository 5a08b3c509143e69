// One row: the fader of a source, track, mix or master, and its waveform.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const { db, el, signedDb, toggle } = stemfx.dom;

  const LOWEST_DB = -60; // the bottom of a fader
  const HIGHEST_DB = 12;
  const SILENT_DBTP = -90; // under the noise of any recording
  const DRAGGED_TOO_FAR_PX = 5; // wavesurfer begins a dragged region so wide and keeps the surplus

  // Draw the highest and lowest sample of every pixel, as tall as `tallness` says. wavesurfer's own
  // drawing mirrors the larger of the two and leaves a gap between its canvases.
  function envelope([highs, lows], pen, tallness) {
    const { width, height } = pen.canvas;
    const middle = height / 2;
    const y = (value) => Math.min(height, Math.max(0, middle - value * tallness * middle));
    const n = highs.length;
    for (let x = 0; x < width; x++) {
      const from = Math.floor((x * n) / width),
        to = Math.max(from + 1, Math.floor(((x + 1) * n) / width));
      let high = -1,
        low = 1;
      for (let i = from; i < to; i++) {
        if (highs[i] > high) high = highs[i];
        if (lows[i] < low) low = lows[i];
      }
      const top = y(high);
      pen.fillRect(x, top, 1, Math.max(1, y(low) - top));
    }
  }

  stemfx.Lane = class {
    constructor(lane, number, lanes) {
      this.lane = lane;
      this.lanes = lanes;
      const { page, listening } = lanes;
      const name = lane.label;
      this.mute = toggle("M", () => listening.change(lane.id, { mute: !lane.mute }), {
        class: "mute",
        "aria-label": `Mute ${name}`,
        title: "Mute (m)",
      });
      this.solo = toggle("S", () => listening.solo(lane.id), {
        class: "solo",
        "aria-label": `Solo ${name}`,
        title: `Solo (s${number <= 9 ? ` or ${number}` : ""})`,
      });
      this.gain = el("input", {
        type: "range",
        class: "gain",
        min: LOWEST_DB,
        max: Math.max(HIGHEST_DB, Math.ceil(lane.gain_db)),
        step: 0.5,
        "aria-label": `Gain of ${name}`,
        title: "Double-click: back to the recipe's fader",
        on: {
          input: () => listening.change(lane.id, { gain_db: Number(this.gain.value) }),
          dblclick: () => listening.change(lane.id, { gain_db: lane.gain_recipe_db }),
        },
      });
      this.gainText = el("span", { "aria-hidden": "true", class: "gain-text" });
      this.point = this.#pointChoice(name);
      this.note = el("p", { class: "note", hidden: true });
      this.readout = el("p", { class: "readout" });
      this.wave = el("div", { class: "wave", "aria-hidden": "true" });
      this.cursor = el("div", { class: "cursor" });
      this.element = el(
        "li",
        { class: `lane kind-${lane.kind}`, "data-lane": lane.id, "aria-label": name },
        el(
          "div",
          { class: "head" },
          el(
            "h3",
            { title: name },
            el("span", { class: "number", "aria-hidden": "true", text: number }),
            name,
          ),
          this.mute,
          this.solo,
          this.point,
          el("div", { class: "fader" }, this.gain, this.gainText),
        ),
        el("div", { class: "box" }, this.wave, this.readout, this.note, this.cursor),
      );
      this.element.style.setProperty("--lane", lane.color);
      this.element.addEventListener("pointerdown", () => lanes.focus(this));
      this.element.addEventListener("focusin", () => lanes.focus(this));
      this.surfer = null;
      this.drawn = null;
      this.isReady = false;
      this.page = page;
    }

    #pointChoice(name) {
      const {
        lane,
        lanes: { listening },
      } = this;
      const ids = listening.pointsOf(lane);
      const labelOf = (id) => {
        const point = listening.points.get(id);
        const end = lane.early?.includes(id)
          ? "unaligned: "
          : id === lane.after && ids.length > 1
            ? "after: "
            : id === lane.before && ids.length > 1
              ? "before: "
              : "";
        return `${end}${point.short}${point.n_segments ? "" : " (no sound)"}`;
      };
      if (ids.length < 2)
        return el("span", { class: "point", text: listening.points.get(ids[0])?.short ?? "" });
      return el(
        "select",
        {
          class: "point",
          "aria-label": `Which point of ${name}`,
          on: { change: (event) => listening.change(lane.id, { point: event.target.value }) },
        },
        ...ids.map((id) => el("option", { value: id, text: labelOf(id) })),
      );
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
      const { lufs, true_peak_dbtp, peaks, has_own_time } = point;
      const tallness = this.lanes.tallness(this.lane);
      const isSilent = lufs === null && (true_peak_dbtp ?? -Infinity) < SILENT_DBTP;
      this.readout.textContent = !peaks
        ? ""
        : isSilent
          ? "silent"
          : `${db(lufs, "LUFS")} · ${db(true_peak_dbtp, "dBTP")}${tallness === 1 ? "" : ` · drawn ×${tallness}`}`;
      this.note.textContent =
        this.lanes.listening.whySilent(point.id) ||
        (has_own_time ? "In its own time, not in step with the page." : "");
      this.note.hidden = !this.note.textContent;
    }

    // Make the waveform; called once, when the lane comes near the window.
    begin() {
      const { lanes, wave, lane } = this;
      this.surfer = WaveSurfer.create({
        container: wave,
        height: "auto",
        waveColor: lane.color,
        progressColor: lane.color,
        cursorWidth: 0,
        renderFunction: (sides, pen) => envelope(sides, pen, lanes.tallness(lane)),
        minPxPerSec: lanes.px_per_s,
        autoScroll: false,
        autoCenter: false,
        hideScrollbar: true,
        interact: true,
      });
      this.regions = this.surfer.registerPlugin(WaveSurfer.Regions.create());
      this.surfer.on("interaction", (time_s) => this.page.seek(time_s));
      this.surfer.on("scroll", (_start, _end, left_px) => lanes.scrolled(this, left_px));
      if (lanes.isMouse) this.regions.enableDragSelection({ color: "var(--loop)" });
      this.regions.on("region-created", (region) => this.#taken(region));
      this.regions.on("region-update", (region) =>
        this.page.loop({ start_s: region.start, end_s: region.end }, { isDragging: true, by: this }),
      );
      this.regions.on("region-updated", (region) =>
        this.page.loop(lanes.ruler.loopOf(region.start, region.end)),
      );
      this.draw();
    }

    #taken(region) {
      if (this.isShowing) return;
      region.remove();
      const { ruler, drawn_px_per_s } = this.lanes;
      const end_s = region.end - DRAGGED_TOO_FAR_PX / drawn_px_per_s;
      this.page.loop(ruler.loopOf(region.start, end_s));
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
      this.surfer.load("", peaks, lanes.duration_s).then(
        () => {
          this.isReady = true;
          this.surfer.setScroll(lanes.scroll_px);
          this.showRange(this.page.range);
        },
        () => {},
      ); // a newer choice of the point came first
    }

    showRange(range) {
      if (!this.isReady) return; // it is shown when the waveform is there
      const [region, ...more] = this.regions.getRegions();
      for (const one of more) one.remove();
      if (!range) region?.remove();
      else if (region) region.setOptions({ start: range.start_s, end: range.end_s });
      else {
        this.isShowing = true;
        this.regions.addRegion({
          start: range.start_s,
          end: range.end_s,
          color: "var(--loop)",
          drag: this.lanes.isMouse,
          resize: true,
        });
        this.isShowing = false;
      }
    }
  };
})();

// Play, position, loop and volume.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const { el, button, toggle, db, clock } = stemfx.dom;

  const SVG = "http://www.w3.org/2000/svg";

  // An icon of one path in a box of 24.
  function icon(path) {
    const svg = document.createElementNS(SVG, "svg");
    const shape = document.createElementNS(SVG, "path");
    shape.setAttribute("d", path);
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.append(shape);
    return { svg, draw: (d) => shape.setAttribute("d", d) };
  }

  const PLAY = "M7 4.5v15l12.5-7.5z";
  const PAUSE = "M6.5 5h4v14h-4zM13.5 5h4v14h-4z";

  stemfx.Transport = class {
    constructor(page, lanes) {
      this.page = page;
      this.ruler = lanes.ruler;
      const { duration_s } = page.data;
      this.icon = icon(PLAY);
      this.play = el(
        "button",
        {
          type: "button",
          class: "play",
          "aria-label": "Play",
          title: "Play or pause (space)",
          on: { click: () => page.toggle() },
        },
        this.icon.svg,
      );
      this.time = el("span", { class: "time", text: clock(0, 1) });
      this.bar = el("span", { class: "bar" });
      this.slider = el("input", {
        type: "range",
        class: "seek",
        min: 0,
        max: duration_s,
        step: 0.01,
        value: 0,
        "aria-label": "Position",
        on: { input: () => page.seek(Number(this.slider.value)), keydown: (event) => this.#steps(event) },
      });
      this.loop = toggle("Loop", () => page.toggleLoop(), { title: "Loop on or off (l)" });
      this.loopText = el("span", { class: "loop-text" });
      this.volume = el("input", {
        type: "range",
        class: "volume",
        min: -40,
        max: 6,
        step: 0.5,
        value: 0,
        "aria-label": "Volume",
        on: { input: () => page.setVolume(Number(this.volume.value)), dblclick: () => page.setVolume(0) },
      });
      this.what = el("p", { class: "what" });
      document.getElementById("transport").append(
        this.play,
        el(
          "div",
          { class: "clocks" },
          this.time,
          el("span", { class: "of", text: `/ ${clock(duration_s)}` }),
          this.bar,
        ),
        el("div", { class: "seek-box" }, this.slider, this.what),
        el(
          "div",
          { class: "looping", role: "group", "aria-label": "Loop" },
          button("[", () => page.loopEnd("start_s"), {
            "aria-label": "Loop starts here",
            title: "Loop starts here (i)",
          }),
          button("]", () => page.loopEnd("end_s"), {
            "aria-label": "Loop ends here",
            title: "Loop ends here (o)",
          }),
          this.loop,
          this.loopText,
        ),
        el("label", { class: "volume-box" }, el("span", { text: "Vol" }), this.volume),
      );
      this.showPosition(0, true);
      this.showVolume(0);
    }

    // Arrows on the slider go as far as elsewhere: its own step is a hundredth of a second.
    #steps(event) {
      const direction = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (!direction || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      this.page.step(direction, { byBars: event.shiftKey });
    }

    showState(isPlaying, isWaiting) {
      this.icon.draw(isPlaying ? PAUSE : PLAY);
      this.play.setAttribute("aria-label", isPlaying ? "Pause" : "Play");
      this.play.classList.toggle("is-waiting", isWaiting);
      this.showPosition(this.page.position, true);
    }

    // A slider that is read out at every frame would talk without end: its words change when it is
    // moved, and on a stop.
    showPosition(time_s, isTold = false) {
      const text = clock(time_s, 1);
      if (this.time.textContent !== text) {
        this.time.textContent = text;
        this.bar.textContent = this.ruler.barAt(time_s);
        this.slider.value = time_s;
      }
      if (isTold)
        this.slider.setAttribute(
          "aria-valuetext",
          [`${clock(time_s, 1)} of ${clock(this.page.data.duration_s)}`, this.ruler.barAt(time_s)]
            .filter(Boolean)
            .join(", "),
        );
    }

    showRange(range, isOn) {
      this.loop.pressed(isOn);
      this.loopText.textContent = range ? `${clock(range.start_s, 1)} – ${clock(range.end_s, 1)}` : "";
    }

    showVolume(volume_db) {
      this.volume.value = volume_db;
      this.volume.setAttribute("aria-valuetext", volume_db <= -40 ? "silent" : db(volume_db));
    }

    showWhat(text) {
      this.what.textContent = text;
    }
  };
})();

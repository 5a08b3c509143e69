// The page while its recipe is edited: knobs to turn, how far the work is, the new result when it is there.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const { el, button, copyButton } = stemfx.dom;

  const SETTLE_MS = 250; // a slider that rests so long is heard
  const KEPT = "stemfx-live";
  const dataOf = () => JSON.parse(document.getElementById("stemfx-data").textContent);

  // 1, 2 or 5 times a power of ten: about 200 steps from end to end, whole numbers where all are.
  function stepOf({ min, max, default: value }) {
    if ([min, max, value].every(Number.isInteger) && max - min >= 50) return 1;
    const rough = (max - min) / 200;
    const power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) * power;
  }

  // ---- one knob ----------------------------------------------------------------------------

  class Knob {
    constructor(param, turned) {
      Object.assign(this, { param, turned, timer: 0 });
      const id = `knob-${param.name}`;
      const isNumber = typeof param.default === "number";
      const isSwitch = typeof param.default === "boolean";
      const { min, max } = param;
      const about = param.help ? { "aria-describedby": `${id}-help` } : {};
      this.field = isSwitch ? el("input", { type: "checkbox", id, ...about })
        : isNumber ? el("input", { type: "number", id, min, max, step: "any", ...about })
          : el("input", { type: "text", id, maxlength: 256, ...about });
      this.slider = isNumber && min !== null && max !== null && max > min
        ? el("input", { type: "range", class: "range", min, max, step: stepOf(param), "aria-label": `${param.name}${param.unit ? `, ${param.unit}` : ""}`, id: `${id}-slider` })
        : null;
      this.reset = button("Reset", () => this.#moved(param.default, 0), { "aria-label": `Reset ${param.name} to ${param.default}` });
      this.fault = el("p", { class: "fault", role: "alert" });
      this.element = el("div", { class: "knob" },
        el("label", { for: id, text: param.name }),
        el("span", {}, this.field, el("span", { class: "unit", text: param.unit ? ` ${param.unit}` : "" })), this.reset);
      if (this.slider) this.element.append(this.slider);
      if (param.help) this.element.append(el("p", { class: "help", id: `${id}-help`, text: param.help }));
      this.element.append(this.fault);
      this.show(param.value);
      this.slider?.addEventListener("input", () => this.#moved(Number(this.slider.value), SETTLE_MS));
      this.field.addEventListener("change", () => {
        const { field } = this;
        const value = isSwitch ? field.checked : isNumber ? field.valueAsNumber : field.value;
        if (Number.isNaN(value)) this.show(this.value);
        else this.#moved(value, 0);
      });
    }

    show(value) {
      this.value = value;
      if (typeof value === "boolean") this.field.checked = value;
      else this.field.value = value;
      if (this.slider) this.slider.value = value;
      this.reset.disabled = value === this.param.default;
    }

    // As another tab, or this one before it loaded anew, has turned it; not under the hand.
    showSetting(text) {
      if (this.timer || document.activeElement === this.field) return;
      const { default: value } = this.param;
      this.show(typeof value === "number" ? Number(text) : typeof value === "boolean" ? text === "true" : text);
    }

    #moved(value, wait_ms) {
      this.show(value);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => {
        this.timer = 0;
        this.turned(this, value);
      }, wait_ms);
    }
  }

  // ---- what is kept while the page loads anew ----------------------------------------------

  function keep() {
    const { page } = stemfx;
    const kept = { scroll: scrollY, focus: document.activeElement?.id ?? "" };
    if (page?.listening) {
      const { lanes, listen, ab } = page.listening;
      Object.assign(kept, { position: page.position, isPlaying: page.isPlaying, range: page.range, listen, ab: { ...ab, x: null } });
      kept.lanes = lanes.map(({ id, solo, mute, pan, gain_db, gain_recipe_db, point, before }) =>
        ({ id, solo, mute, pan, gain_db: gain_db === gain_recipe_db ? null : gain_db, isBefore: point === before }));
    }
    try { sessionStorage.setItem(KEPT, JSON.stringify(kept)); } catch { /* then it begins at the start */ }
  }

  function restore() {
    let kept = null;
    try {
      kept = JSON.parse(sessionStorage.getItem(KEPT));
      sessionStorage.removeItem(KEPT);
    } catch { /* nothing was kept */ }
    if (!kept) return;
    const { page } = stemfx;
    if (page?.listening && kept.lanes) {
      const { listening } = page;
      for (const { id, gain_db, isBefore, ...values } of kept.lanes) {
        const lane = listening.lane(id);
        if (!lane) continue;
        Object.assign(lane, values, gain_db === null ? {} : { gain_db });
        lane.point = isBefore && lane.before ? lane.before : lane.after;
      }
      if (listening.choices.some((choice) => choice.value === kept.listen)) listening.listen = kept.listen;
      if ([kept.ab.a, kept.ab.b].every((id) => listening.points.has(id))) Object.assign(listening.ab, kept.ab, kept.ab.side === "x" ? { side: "b" } : {});
      listening.tell();
      if (kept.range) page.loop(kept.range);
      page.seek(kept.position);
      const mayPlay = navigator.userActivation?.hasBeenActive || navigator.getAutoplayPolicy?.("audiocontext") === "allowed";
      if (kept.isPlaying && mayPlay) page.toggle();
      else if (kept.isPlaying) stemfx.dom.say("The new result is here: press play to go on.");
    }
    document.getElementById(kept.focus)?.focus({ preventScroll: true });
    scrollTo(0, kept.scroll);
  }

  // ---- the panel ---------------------------------------------------------------------------

  class Live {
    constructor(data) {
      this.state = null;
      this.shown = Number(data.audio.folder.split("/").at(-1)); // the version of this page
      this.isHeld = false;
      this.words = el("span");
      this.bar = el("progress", { max: 1, "aria-label": "How far the rendering is", hidden: true });
      this.fault = el("p", { class: "fault", role: "alert" });
      this.command = el("code", { id: "live-command" });
      this.knobs = (data.params ?? []).map((param) => new Knob(param, (knob, value) => this.turn(knob, value)));
      this.element = el("section", { class: "live", id: "live", "aria-labelledby": "live-heading" },
        el("h2", { id: "live-heading", text: "Knobs" }),
        el("div", { class: "state" }, el("span", { role: "status" }, this.words), this.bar), this.fault,
        el("div", { class: "knobs" }, ...this.knobs.map((knob) => knob.element)),
        el("p", { class: "typed" }, el("span", { text: "The same from the command line:" }), this.command, copyButton(() => this.command.textContent, "Copy", "the command")));
      if (!this.knobs.length) this.element.querySelector(".knobs").replaceWith(el("p", { class: "help", text: "This recipe has no knobs yet: name some under `params`." }));
      // A slider that is held must not vanish under the hand.
      this.element.addEventListener("pointerdown", (event) => (this.isHeld = event.target.type === "range"));
      addEventListener("pointerup", () => this.#released());
      addEventListener("pointercancel", () => this.#released());
    }

    #released() {
      this.isHeld = false;
      this.#refresh();
    }

    listen() {
      const events = new EventSource("events");
      for (const phase of ["rendering", "rendered", "fault"])
        events.addEventListener(phase, (event) => this.show(JSON.parse(event.data)));
      events.addEventListener("error", () => {
        this.element.dataset.phase = "lost";
        this.#say("stemfx ui does not answer; this page goes on when it is there again.");
        this.bar.hidden = true;
      });
    }

    show(state) {
      this.state = state;
      this.element.dataset.phase = state.phase;
      const isWorking = state.phase === "rendering";
      this.bar.hidden = !isWorking;
      if (state.share === null) this.bar.removeAttribute("value");
      else this.bar.value = state.share;
      if (isWorking) this.#say(state.step ? `Rendering: ${state.step}` : "Rendering");
      else this.#say(state.phase === "fault" ? "Not rendered; what was there before stays." : "Up to date");
      this.fault.textContent = state.phase === "fault" ? state.message : "";
      this.command.textContent = state.command;
      for (const knob of this.knobs) if (Object.hasOwn(state.settings, knob.param.name)) knob.showSetting(state.settings[knob.param.name]);
      this.#refresh();
    }

    #say(text) {
      if (this.words.textContent !== text) this.words.textContent = text;
    }

    async turn(knob, value) {
      knob.fault.textContent = "";
      try {
        const answer = await fetch("params", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ [knob.param.name]: value }) });
        const told = await answer.json().catch(() => ({}));
        if (!answer.ok) knob.fault.textContent = told.error ?? `The knob was not turned (${answer.status}).`;
        else this.command.textContent = told.command;
      } catch {
        knob.fault.textContent = "stemfx ui does not answer.";
      }
      this.#refresh();
    }

    // Show the new result, unless something is about to change it again or is held.
    #refresh() {
      const { state } = this;
      if (!state || state.version === this.shown || this.isRefreshing) return;
      if (this.isHeld || state.phase === "rendering" || this.knobs.some((knob) => knob.timer)) return;
      this.isRefreshing = true;
      keep();
      location.reload();
    }
  }

  // Once the page is there, which its last script makes.
  document.addEventListener("DOMContentLoaded", () => {
    const live = (stemfx.live = new Live(dataOf()));
    document.getElementById("main").prepend(live.element);
    restore();
    live.listen();
  });
})();

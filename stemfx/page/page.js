// Starts the page: builds its parts and ties them to the engine.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const { el, clock, say, listeners, count } = stemfx.dom;

  const SHORTEST_LOOP_S = 0.05;

  const jsonOf = (id) => JSON.parse(document.getElementById(id)?.textContent.trim() || "null");

  // ---- what pictures and panels may use ----------------------------------------------------

  class PageControl {
    #engine = null;
    #waiting_s = 0; // the position before there is an engine
    #volume_db = 0;
    #isLooping = true;

    constructor(data) {
      this.data = data;
      this.range = null;
      Object.assign(this, listeners());
      this.listening = new stemfx.Listening(data, () => this.#heardChanged());
    }

    // The engine; made at the first gesture, as browsers let no page sound before.
    engine() {
      if (this.#engine) return this.#engine;
      const engine = new stemfx.Engine(this.data, stemfx.sound.loader(this.data.audio));
      this.#engine = engine;
      engine.on("position", (time_s) => this.tell("position", time_s ?? engine.position));
      engine.on("state", () => this.tell("state"));
      engine.on("waiting", () => this.tell("state"));
      engine.on("error", (error) => say(`No sound: ${error?.message ?? error}`));
      engine.volume_db = this.#volume_db;
      engine.loop = this.#isLooping ? this.range : null;
      engine.hear(this.listening.heard());
      engine.seek(this.#waiting_s);
      return engine;
    }

    get position() {
      return this.#engine?.position ?? this.#waiting_s;
    }

    get isPlaying() {
      return this.#engine?.isPlaying ?? false;
    }

    get isWaiting() {
      return this.#engine?.isWaiting ?? false;
    }

    get isLooping() {
      return Boolean(this.range) && this.#isLooping;
    }

    toggle() {
      const engine = this.engine();
      engine.toggle();
      say(engine.isPlaying ? `Playing ${this.what()}` : `Paused at ${clock(engine.position)}`);
    }

    play() {
      if (!this.isPlaying) this.engine().play();
    }

    seek(time_s) {
      const clamped = Math.min(this.data.duration_s, Math.max(0, time_s));
      if (this.#engine) this.#engine.seek(clamped);
      else this.#waiting_s = clamped;
      this.tell("position", clamped);
      this.tell("seek", clamped);
    }

    // Loop a range; null for none. While it is dragged only the pictures follow.
    loop(range, { isDragging = false, by = null } = {}) {
      const { duration_s } = this.data;
      const start_s = range && Math.max(0, Math.min(range.start_s, duration_s));
      const end_s = range && Math.min(duration_s, range.end_s);
      this.range = range && end_s - start_s >= SHORTEST_LOOP_S ? { start_s, end_s } : null;
      if (!isDragging) {
        this.listening.range = this.range;
        if (this.range) this.#isLooping = true;
        this.#setLoop();
        this.#heardChanged();
      }
      this.tell("range", this.range, { isDragging, by });
    }

    #setLoop() {
      if (this.#engine) this.#engine.loop = this.isLooping ? this.range : null;
    }

    // Set one end of the loop to where the song is; the other end is kept where it makes sense.
    loopEnd(end) {
      const here = this.ruler.snapped(this.position);
      const { duration_s } = this.data;
      const range = { start_s: 0, end_s: duration_s, ...this.range, [end]: here };
      if (range.end_s - range.start_s < SHORTEST_LOOP_S) Object.assign(range, end === "start_s" ? { end_s: duration_s } : { start_s: 0 });
      this.loop(range);
      say(this.range ? `Loop from ${clock(this.range.start_s, 1)} to ${clock(this.range.end_s, 1)}` : "No loop");
    }

    toggleLoop() {
      if (!this.range) return say("Drag over a waveform, or set the ends with i and o, to make a loop.");
      this.#isLooping = !this.#isLooping;
      this.#setLoop();
      this.tell("range", this.range, {});
      say(this.#isLooping ? "Loop on" : "Loop off");
    }

    setVolume(volume_db) {
      this.#volume_db = volume_db <= -40 ? -Infinity : volume_db;
      if (this.#engine) this.#engine.volume_db = this.#volume_db;
      this.tell("volume", volume_db);
    }

    #heardChanged() {
      if (this.#engine) {
        this.#engine.hear(this.listening.heard());
        this.#engine.prepare(this.listening.next());
      }
      this.tell("heard");
    }

    // What is heard, in words.
    what() {
      const { listening } = this;
      const { ab } = listening;
      if (ab.isOn) return ab.x && ab.side === "x" ? "X" : `${ab.side.toUpperCase()}: ${listening.points.get(ab[ab.side])?.label}`;
      const lanes = listening.lanesHeard();
      const names = lanes.map((lane) => listening.points.get(lane.point).label);
      if (!lanes.length) return "nothing: all is muted";
      if (listening.hasSolo) return `solo: ${lanes.map((lane) => lane.label).join(", ")}`;
      return lanes.length === 1 ? names[0] : `${count(lanes.length, "track")}${lanes.every((lane) => lane.point === lane.before) ? ", before their stages" : ""}`;
    }

    // Put two points into A/B and hear them.
    select(a, b) {
      this.ab.compare(a, b);
      this.tell("select", a, b);
    }
  }

  // ---- theme -------------------------------------------------------------------------------

  function theme(page) {
    const root = document.documentElement;
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const element = document.getElementById("theme");
    const kept = (() => { try { return localStorage.getItem("stemfx-theme"); } catch { return null; } })();
    if (["light", "dark"].includes(kept)) root.dataset.theme = kept;
    const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
    const show = () => {
      element.setAttribute("aria-pressed", String(isDark()));
      page.tell("theme", isDark() ? "dark" : "light");
    };
    element.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try { localStorage.setItem("stemfx-theme", root.dataset.theme); } catch { /* a page from disk may keep nothing */ }
      show();
    });
    dark.addEventListener("change", show);
    show();
  }

  // ---- pictures ----------------------------------------------------------------------------

  function pictures(page) {
    const section = document.getElementById("pictures");
    const wanted = (stemfx.pictures ?? []).filter((picture) => picture.wants(page.data));
    if (!wanted.length) return section.append(el("p", { class: "note", text: "There is nothing to draw of this run." }));
    const drawn = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        drawn.unobserve(target);
        const picture = wanted.find((one) => one.id === target.dataset.picture);
        try {
          Promise.resolve(picture.draw(target, page.data, page)).catch((error) => failed(target, error));
        } catch (error) {
          failed(target, error);
        }
      }
    }, { rootMargin: "100px" });
    const failed = (target, error) => target.append(el("p", { class: "note", text: `This picture could not be drawn: ${error.message}` }));
    for (const picture of wanted) {
      const body = el("div", { class: "picture", "data-picture": picture.id });
      section.append(el("details", { class: "folded", open: true, id: `picture-${picture.id}` },
        el("summary", {}, el("h3", { text: picture.title })), picture.help ? el("p", { class: "help", text: picture.help }) : null, body));
      drawn.observe(body);
    }
  }

  // ---- start -------------------------------------------------------------------------------

  function head(data) {
    document.getElementById("title").textContent = data.title;
    const cached = data.steps.filter((step) => step.status === "cached").length;
    const parts = [
      data.recipe_file, clock(data.duration_s),
      data.preview_s && `preview from ${clock(data.preview_s[0])}, ${clock(data.preview_s[1])} long`,
      `made by stemfx ${data.made_with} in ${Math.round(data.seconds ?? 0)} s`,
      cached && `${cached} of ${data.steps.length} steps from the cache`,
    ];
    document.getElementById("subtitle").textContent = parts.filter(Boolean).join(" · ");
  }

  function start() {
    const data = jsonOf("stemfx-data");
    const page = (stemfx.page = new PageControl(data));
    const { listening } = page;
    head(data);
    const lanes = new stemfx.Lanes(page, listening);
    page.ruler = lanes.ruler;
    const transport = new stemfx.Transport(page, lanes);
    const bar = new stemfx.DeskBar(page, listening, lanes);
    page.ab = new stemfx.AbPanel(page, listening);
    const into = (id, ...nodes) => document.getElementById(id).append(...nodes);
    into("outcome", stemfx.panels.outcome(data));
    into("listen", bar.element, lanes.element);
    into("ab", page.ab.element);
    into("steps", ...stemfx.panels.steps(data, page, (id) => listening.hasSound(id)));
    into("recipe", ...stemfx.record.recipe(data));
    into("record", ...stemfx.record.parts(data, jsonOf("stemfx-libraries") ?? []));
    const showHeard = () => {
      lanes.show();
      bar.show();
      page.ab.show();
      transport.showWhat(page.what());
    };
    page.on("heard", showHeard);
    page.on("position", (time_s) => {
      transport.showPosition(time_s);
      lanes.showPosition(time_s);
    });
    page.on("seek", (time_s) => transport.showPosition(time_s, true));
    page.on("state", () => transport.showState(page.isPlaying, page.isWaiting));
    page.on("volume", (volume_db) => transport.showVolume(volume_db));
    page.on("range", (range, { by = null } = {}) => {
      lanes.showRange(range, by);
      transport.showRange(range, page.isLooping);
    });
    page.on("theme", () => lanes.ruler.draw());
    showHeard();
    transport.showRange(null, false);
    theme(page);
    stemfx.keyboard(page, lanes);
    pictures(page);
  }

  start();
})();

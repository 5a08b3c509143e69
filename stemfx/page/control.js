// `stemfx.page`: what is heard, where and in which loop, for panels, lanes and pictures alike.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const { clock, count, listeners, say } = stemfx.dom;

  const SHORTEST_LOOP_S = 0.05;
  const STEP_S = 5;

  stemfx.PageControl = class {
    static STEP_S = STEP_S;
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
      engine.on("error", (error) => say(`No sound: ${error?.message ?? error}`, 10));
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

    // A few seconds, or a bar, on (1) or back (-1).
    step(direction, { byBars = false } = {}) {
      this.seek(byBars ? this.ruler.next(this.position, direction) : this.position + STEP_S * direction);
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
      if (range.end_s - range.start_s < SHORTEST_LOOP_S)
        Object.assign(range, end === "start_s" ? { end_s: duration_s } : { start_s: 0 });
      this.loop(range);
      say(
        this.range ? `Loop from ${clock(this.range.start_s, 1)} to ${clock(this.range.end_s, 1)}` : "No loop",
      );
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
      if (ab.isOn)
        return ab.x && ab.side === "x"
          ? "X"
          : `${ab.side.toUpperCase()}: ${listening.points.get(ab[ab.side])?.label}`;
      const lanes = listening.lanesHeard();
      const names = lanes.map((lane) => listening.points.get(lane.point).label);
      if (!lanes.length) return "nothing: all is muted";
      if (listening.hasSolo) return `solo: ${lanes.map((lane) => lane.label).join(", ")}`;
      return lanes.length === 1
        ? names[0]
        : `${count(lanes.length, "track")}${lanes.every((lane) => lane.point === lane.before) ? ", before their stages" : ""}`;
    }

    // Put two points into A/B and hear them.
    select(a, b) {
      this.ab.compare(a, b);
    }
  };
})();

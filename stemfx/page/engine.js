// Play points of the chain in sync to the sample: one clock, one graph, any number heard at once.
//
// Everything is scheduled at whole frames and ahead of time, so neither a busy page nor a throttled
// timer moves a sample. segments.js decodes, passes.js says where the song is at any frame of the
// audio clock, graph.js is what the sound runs through.
(function () {
  "use strict";
  const stemfx = (globalThis.stemfx = globalThis.stemfx || {});

  const { Fader, Strip, Passes, Segments, toGain, stereoGains } = stemfx;
  const CLOCK = { sampleRate: 48000, latencyHint: "interactive" }; // the rate Opus decodes to
  const SWITCH_S = 0.015; // crossfade when what is heard changes
  const AHEAD_S = 5; // scheduled ahead: timers of a hidden tab come once a second
  const TICK_MS = 200;
  const LEAD_S = 0.04; // from a decision to its first frame: scheduling takes time
  const LONGEST_LEAD_S = 0.5;
  const READY_S = 0.1; // must be decoded of all that is to be heard before it starts
  const SHORTEST_LOOP_S = 0.1;

  class Engine {
    #data; #load; #segments; #passes; #merger; #volume; #volume_db = 0;
    #handlers = { state: [], position: [], waiting: [], error: [] };
    #strips = new Map(); // point id -> Strip, of all that sound or fade out
    #heard = new Map();
    #isApplied = true; // the strips stand at what is to be heard
    #prepared = [];
    #isPlaying = false;
    #isWaiting = false;
    #timer = null;
    #request = 0; // of an animation frame
    #lead_s = LEAD_S;
    #ahead_s = AHEAD_S;

    // load(point id, k) -> Promise<ArrayBuffer>: segment k as an Ogg Opus file.
    constructor(data, load, context = new AudioContext(CLOCK)) {
      if (context.sampleRate !== data.sample_rate) {
        const rates = [context.sampleRate, data.sample_rate];
        throw new RangeError(`the audio clock runs at ${rates[0]} Hz, the song at ${rates[1]} Hz`);
      }
      this.context = context;
      this.rate = context.sampleRate;
      this.#data = data;
      this.#load = load;
      this.#passes = new Passes(context, this.#frames(data.duration_s));
      this.#merger = new ChannelMergerNode(context, { numberOfInputs: 2 });
      this.#volume = new Fader(context, 1);
      this.output = this.#volume.node; // what is heard, for meters
      this.#merger.connect(this.output).connect(context.destination);
      this.#segments = new Segments(data, load, context, {
        changed: () => this.#tick(),
        failed: (message, point, segment) => this.#emit("error", { message, point, segment }),
      });
      context.addEventListener("statechange", () => {
        if (this.#isPlaying) this.#wake(); // a call interrupted it
        this.#tick();
      });
    }

    // -- what a page asks for
    play() {
      if (this.#isPlaying) return;
      const passes = this.#passes;
      if (passes.from >= passes.end) passes.from = passes.loop ? passes.loop.start : 0;
      this.#isPlaying = true;
      this.#wake();
      this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
      this.#emit("state", { isPlaying: true });
      this.#tick();
      this.#animate();
    }

    pause() {
      if (!this.#isPlaying) return;
      this.#stop(this.#passes.songAt(this.#heardFrame()));
    }

    toggle() {
      if (this.#isPlaying) this.pause();
      else this.play();
    }

    seek(seconds) {
      this.#passes.fadeOut(this.#soon());
      this.#passes.from = this.#clamped(seconds);
      this.#tick();
      this.#emit("position", this.position);
    }

    // Seconds of the song that leave the loudspeaker now.
    get position() {
      return this.#passes.songAt(this.#heardFrame()) / this.rate;
    }

    // Seconds of the song that the graph gives at a time of its clock.
    positionAt(context_s) {
      return this.#passes.songAt(Math.round(context_s * this.rate)) / this.rate;
    }

    get duration() { return this.#passes.end / this.rate; }
    get isPlaying() { return this.#isPlaying; }
    get isWaiting() { return this.#isWaiting; }
    get volume_db() { return this.#volume_db; }

    set volume_db(db) {
      this.#volume_db = db;
      const soon = this.#soon();
      this.#volume.ramp(toGain(db), soon, soon + this.#frames(SWITCH_S));
    }

    get loop() {
      const { loop } = this.#passes;
      return loop && { start_s: loop.start / this.rate, end_s: loop.end / this.rate };
    }

    // Too short a range is none. Past its end the song plays on; setting it there goes to its start.
    set loop(range) {
      const passes = this.#passes;
      const before = passes.loop;
      const [start, end] = [this.#clamped(range?.start_s), this.#clamped(range?.end_s)];
      passes.loop = end - start >= this.#frames(SHORTEST_LOOP_S) ? { start, end } : null;
      const isSame = before?.start === passes.loop?.start && before?.end === passes.loop?.end;
      if (isSame || !passes.isRunning) return;
      const at = this.#nextStart();
      const from = passes.songAt(at);
      if (passes.loop && from >= passes.loop.end) this.seek(passes.loop.start / this.rate);
      else this.#restart(from, at, true);
    }

    // Hear these points, Map of id -> {gain_db, pan}, as soon as all of them are decoded.
    hear(heard) {
      for (const id of heard.keys()) {
        if (!this.#segments.points.has(id)) throw new RangeError(`there is no point ${id}`);
      }
      this.#heard = new Map(heard);
      this.#isApplied = false;
      this.#tick();
    }

    prepare(ids) {
      this.#prepared = [...ids].filter((id) => this.#segments.points.has(id));
      this.#tick();
    }

    on(event, fn) {
      this.#handlers[event].push(fn);
      return () => (this.#handlers[event] = this.#handlers[event].filter((other) => other !== fn));
    }

    // The same graph, rendered at once: `length_s` from `start_s`, with the loop and the volume.
    async render(heard, start_s, length_s) {
      const lead = this.#nextStart() - this.#soon();
      const n = this.#frames(length_s);
      const offline = new OfflineAudioContext(2, lead + n, this.rate);
      const engine = new Engine(this.#data, this.#load, offline);
      engine.#lead_s = 0;
      engine.#ahead_s = (lead + n) / this.rate;
      engine.on("error", (error) => this.#emit("error", error));
      engine.loop = this.loop;
      engine.volume_db = this.volume_db;
      engine.#heard = new Map(heard);
      engine.#isPlaying = true;
      engine.#passes.begin(this.#frames(start_s), lead);
      engine.#apply(0);
      engine.#tick();
      await engine.#segments.settled();
      const rendered = await offline.startRendering();
      const wanted = new AudioBuffer({ numberOfChannels: 2, length: n, sampleRate: this.rate });
      for (const side of [0, 1]) {
        wanted.copyToChannel(rendered.getChannelData(side).subarray(lead), side);
      }
      return wanted;
    }

    close() {
      clearInterval(this.#timer);
      this.#isPlaying = false;
      return this.context.close();
    }

    // -- time
    #frames(seconds) { return Math.round(seconds * this.rate); }
    #now() { return Math.round(this.context.currentTime * this.rate); }
    #soon() { return this.#now() + this.#frames(this.#lead_s); }

    #heardFrame() {
      const { outputLatency, baseLatency } = this.context;
      return this.#now() - this.#frames(outputLatency || baseLatency || 0);
    }

    // Frame at which a new pass can begin: strips move first, then it fades in.
    #nextStart(soon = this.#soon()) {
      return soon + this.#frames(SWITCH_S) + this.#passes.edge;
    }

    #clamped(seconds) {
      return Math.min(this.#passes.end, Math.max(0, this.#frames(seconds) || 0));
    }

    // -- what happens
    // Bring everything to where it should be: comes often, and does nothing twice.
    #tick() {
      if (this.context.state === "closed") return;
      const began_ms = performance.now();
      const soon = this.#soon();
      const passes = this.#passes;
      this.#sweep();
      const isReady = this.#isReady(soon);
      if (this.#isPlaying && isReady && !passes.isRunning && passes.from < passes.end) {
        this.#apply(soon);
        passes.begin(passes.from, this.#nextStart(soon));
      }
      if (!this.#isApplied && isReady && passes.isRunning) this.#apply(soon + passes.edge);
      passes.extend(soon + this.#ahead_s * this.rate);
      this.#schedule(soon, began_ms);
      this.#segments.want(this.#wanted(soon));
      const isBusy = !passes.isRunning || !this.#isApplied || !isReady;
      this.#wait(this.#isPlaying && (isBusy || this.context.state !== "running"));
      if (this.#isPlaying && passes.isOverAt(this.#heardFrame())) this.#stop(passes.end);
    }

    // Spans of the song that sound from `soon` until the horizon, or will when it plays.
    #spans(soon) {
      const ahead = this.#ahead_s * this.rate;
      return this.#passes.spans(soon, soon + (this.#isPlaying ? ahead : 1));
    }

    #wanted(soon) {
      const ids = new Set([...this.#heard.keys(), ...this.#strips.keys(), ...this.#prepared]);
      return this.#spans(soon).flatMap(({ from, to }) =>
        [...ids]
          .flatMap((id) => this.#segments.covering(id, from, to).map((k) => [id, k]))
          .sort(([, a], [, b]) => a - b),
      );
    }

    #isReady(soon) {
      const [span] = this.#spans(soon);
      if (!span) return true;
      return [...this.#heard.keys()].every((id) =>
        this.#segments
          .covering(id, span.from, Math.min(span.to, span.from + this.#frames(READY_S)))
          .every((k) => this.#segments.get(id, k) !== undefined),
      );
    }

    #schedule(soon, began_ms) {
      for (const { pass, from, to } of this.#spans(soon)) {
        let earliest = Infinity;
        for (const [id, strip] of pass ? this.#strips : []) {
          for (const k of this.#segments.covering(id, from, to)) {
            const buffer = this.#segments.get(id, k);
            if (!buffer) continue;
            const span = this.#segments.span(id, k);
            earliest = Math.min(earliest, pass.start(id, k, buffer, span, strip, soon));
          }
        }
        if (earliest < this.#latestNow(soon, began_ms)) return this.#hurry(pass, soon);
      }
    }

    // Some browsers hold currentTime while a script runs: the clock of the page goes on.
    #latestNow(soon, began_ms) {
      if (this.context.state !== "running") return -Infinity;
      const spent_s = (performance.now() - began_ms) / 1000;
      return Math.max(this.#now(), soon + this.#frames(spent_s - this.#lead_s));
    }

    // A source that is started too late begins out of step: take more time and start anew.
    #hurry(pass, soon) {
      if (this.#lead_s === 0 || this.#lead_s >= LONGEST_LEAD_S) return;
      this.#lead_s = Math.min(2 * this.#lead_s, LONGEST_LEAD_S);
      const at = this.#nextStart();
      const isNew = pass.at > soon && !pass.continues;
      this.#restart(isNew ? pass.from : this.#passes.songAt(at), at, !isNew);
    }

    #restart(from, at, continues) {
      if (from >= this.#passes.end) return; // as good as over
      this.#passes.fadeOut(at - this.#passes.edge);
      this.#passes.begin(from, at, continues);
      this.#tick();
    }

    #apply(start) {
      const end = start + this.#frames(SWITCH_S);
      for (const [id, { gain_db = 0, pan = 0 }] of this.#heard) {
        if (!this.#strips.has(id)) this.#strips.set(id, new Strip(this.context, this.#merger));
        const strip = this.#strips.get(id);
        const copy_gain_db = this.#segments.points.get(id).copy_gain_db || 0;
        strip.goneAt = Infinity;
        strip.ramp(stereoGains(gain_db + copy_gain_db, pan), start, end);
      }
      for (const [id, strip] of this.#strips) {
        if (this.#heard.has(id) || strip.goneAt < Infinity) continue;
        strip.goneAt = end;
        strip.ramp([0, 0], start, end);
      }
      this.#isApplied = true;
    }

    #stop(at) {
      this.#passes.fadeOut(this.#soon());
      this.#passes.from = at;
      this.#isPlaying = false;
      this.#emit("state", { isPlaying: false });
      this.#tick();
    }

    // Let go of what has faded out.
    #sweep() {
      const now = this.#now();
      this.#passes.sweep(now, this.#heardFrame());
      if (this.#lead_s > LEAD_S) this.#lead_s *= 0.98; // the page was slow: once is not always
      const isSilent = !this.#isPlaying && !this.#passes.fading.length;
      for (const [id, strip] of this.#strips) {
        if (strip.goneAt > now && !isSilent) continue;
        this.#passes.forget(id);
        strip.close();
        this.#strips.delete(id);
      }
      if (!isSilent) return;
      clearInterval(this.#timer);
      this.#timer = null;
    }

    // -- the page around it
    // Browsers let audio run only after a gesture: ask now, and at each gesture until it does.
    #wake = () => {
      const isDone = !this.#isPlaying || this.context.state === "running";
      const change = isDone ? removeEventListener : addEventListener;
      for (const gesture of ["pointerdown", "keydown"]) change(gesture, this.#wake, true);
      if (!isDone) this.context.resume().catch(() => {}); // closed: nothing to wake
    };

    #animate() {
      cancelAnimationFrame(this.#request);
      this.#request = requestAnimationFrame(() => {
        if (!this.#isPlaying) return;
        this.#emit("position", this.position);
        this.#animate();
      });
    }

    #wait(isWaiting) {
      if (isWaiting === this.#isWaiting) return;
      this.#isWaiting = isWaiting;
      const needsGesture = isWaiting && this.context.state !== "running";
      this.#emit("waiting", { isWaiting, needsGesture });
    }

    #emit(event, detail) {
      for (const fn of this.#handlers[event]) fn(detail);
    }
  }

  stemfx.Engine = Engine;
})();

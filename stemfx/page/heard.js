// What is heard: which points, how loud and where in the stereo field. No sound and no pixels here.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});

  // Two lanes at one point are one signal: what they give to each side adds up, and the fader and
  // pan that give as much are told. The pan law is that of stereoGains.
  function together(one, other) {
    if (!one) return other;
    const sides = [one, other].map(({ gain_db, pan }) => stemfx.stereoGains(gain_db, pan));
    const [left, right] = [0, 1].map((side) => sides[0][side] + sides[1][side]);
    return {
      gain_db: 10 * Math.log10((left ** 2 + right ** 2) / 2),
      pan: (4 / Math.PI) * Math.atan2(right, left) - 1,
    };
  }

  stemfx.Listening = class {
    // `tell()` is called after every change.
    constructor(data, tell = () => {}) {
      this.tell = tell;
      this.points = new Map(data.points.map((point) => [point.id, point]));
      this.lanes = data.lanes.map((lane) => ({
        ...lane,
        point: lane.after,
        solo: false,
        gain_recipe_db: lane.gain_db,
      }));
      this.choices = this.#choices();
      this.listen = (this.choices.findLast((choice) => choice.canPlay) ?? this.choices.at(-1))?.value ?? null;
      this.range = null;
      const [a, b] = this.#firstPair(data);
      this.ab = { isOn: false, a, b, side: "b", isEqual: true, x: null }; // x: what X is, while one is tested
    }

    // What can be listened to: each source, the tracks together, the mix, the master.
    #choices() {
      const alone = (kind) =>
        this.lanes
          .filter((lane) => lane.kind === kind)
          .map((lane) => ({
            value: lane.id,
            label: kind === "source" ? `source ${lane.label}` : lane.label,
            lanes: [lane],
          }));
      const tracks = this.lanes.filter((lane) => lane.kind === "track");
      const sum = tracks.length ? [{ value: "tracks", label: "tracks", lanes: tracks }] : [];
      return [...alone("source"), ...sum, ...alone("mix"), ...alone("master")].map((choice) => ({
        ...choice,
        canPlay: choice.lanes.some((lane) => lane.points.some((id) => this.hasSound(id))),
      }));
    }

    // The song as it came and the master; without them what comes first and last.
    #firstPair(data) {
      const ids = this.comparable().map((point) => point.id);
      const source = data.lanes.find((lane) => lane.kind === "source" && ids.includes(lane.after));
      const mix = data.lanes.find((lane) => lane.kind === "mix" && ids.includes(lane.after));
      const n_sources = data.lanes.filter((lane) => lane.kind === "source").length;
      const a = (n_sources === 1 && source ? source.after : mix?.after) ?? ids[0] ?? null;
      return [a, ids.at(-1) ?? null];
    }

    hasSound(id) {
      return (this.points.get(id)?.n_segments ?? 0) > 0;
    }

    // The points that A and B may be: they sound, in the time of the page.
    comparable() {
      return [...this.points.values()].filter((point) => point.n_segments > 0 && !point.has_own_time);
    }

    lane(id) {
      return this.lanes.find((lane) => lane.id === id);
    }

    // The points of a lane in order: those in a time of their own come first.
    pointsOf(lane) {
      return [...(lane.early ?? []), ...lane.points];
    }

    // Why a point is silent, or "".
    whySilent(id) {
      const point = this.points.get(id);
      if (point?.n_segments) return "";
      return point?.peaks
        ? "Only a picture: this page has no room for the sound of this point."
        : "The cache no longer holds this signal: run the recipe again to hear and see it.";
    }

    get hasSolo() {
      return this.lanes.some((lane) => lane.solo);
    }

    // The lanes that are heard, A/B aside.
    lanesHeard() {
      if (this.hasSolo) return this.lanes.filter((lane) => lane.solo && !lane.mute);
      const choice = this.choices.find((one) => one.value === this.listen);
      return (choice?.lanes ?? []).filter((lane) => !lane.mute);
    }

    // The lanes to light up; in a blind test none, as that would tell.
    lanesShown() {
      if (!this.ab.isOn) return this.lanesHeard();
      if (this.ab.x) return [];
      const id = this.ab[this.ab.side];
      const at = this.lanes.filter((lane) => lane.point === id);
      return at.length ? at : this.lanes.filter((lane) => this.pointsOf(lane).includes(id));
    }

    // [gain of A, gain of B] in dB.
    gains() {
      const { a, b, isEqual } = this.ab;
      if (!isEqual || !a || !b) return [0, 0];
      return stemfx.matchedGains(this.points.get(a), this.points.get(b), this.range);
    }

    // Map of point -> {gain_db, pan}, as the engine takes it.
    heard() {
      const heard = new Map();
      if (this.ab.isOn) {
        const side = this.ab.side === "x" ? this.ab.x : this.ab.side;
        const id = this.ab[side];
        if (this.hasSound(id)) heard.set(id, { gain_db: this.gains()[side === "a" ? 0 : 1], pan: 0 });
        return heard;
      }
      for (const lane of this.lanesHeard())
        if (this.hasSound(lane.point))
          heard.set(lane.point, together(heard.get(lane.point), { gain_db: lane.gain_db, pan: lane.pan }));
      return heard;
    }

    // What may be heard next, and should wait decoded.
    next() {
      if (this.ab.isOn) return [this.ab.a, this.ab.b].filter((id) => this.hasSound(id));
      return this.lanesHeard()
        .map((lane) => lane.point)
        .filter((id) => this.hasSound(id));
    }

    // --- changes -------------------------------------------------------------------------

    listenTo(value) {
      this.listen = value;
      this.ab.isOn = false;
      for (const lane of this.lanes) lane.solo = false;
      this.tell();
    }

    solo(id, is = !this.lane(id).solo) {
      this.lane(id).solo = is;
      this.ab.isOn = false;
      this.tell();
    }

    clearSolo() {
      for (const lane of this.lanes) lane.solo = false;
      this.tell();
    }

    // A fader or a mute is of no use while something else is heard: then the tracks are heard.
    #reach(lane) {
      this.ab.isOn = false;
      if (this.hasSolo || this.lanesOfChoice().includes(lane)) return;
      this.listen = lane.kind === "track" ? "tracks" : lane.id;
    }

    lanesOfChoice() {
      return this.choices.find((one) => one.value === this.listen)?.lanes ?? [];
    }

    change(id, values) {
      const lane = this.lane(id);
      Object.assign(lane, values);
      if (!("mute" in values) || lane.kind === "track") this.#reach(lane);
      this.tell();
    }

    // All tracks as they were before their stages, or as they are after them.
    allAt(end) {
      for (const lane of this.lanes) if (lane.kind === "track") lane.point = lane[end];
      this.ab.isOn = false;
      if (!this.hasSolo) this.listen = "tracks";
      this.tell();
    }

    compare(values) {
      Object.assign(this.ab, { isOn: true, ...values });
      this.tell();
    }

    leaveComparison() {
      Object.assign(this.ab, { isOn: false, x: null, side: this.ab.side === "x" ? "b" : this.ab.side });
      this.tell();
    }
  };
})();

// Decode the segments of points as they are wanted, and let go of them afterwards.
//
// Segment k of a point is an Ogg Opus file that holds its samples [k L - O, (k + 1) L + O), clamped
// to [0, n). The overlap O lets the codec settle; where two segments meet, each is faded linearly
// over JOIN_S around the join, so that what both hold adds up to exactly one of it.
(function () {
  "use strict";
  const stemfx = (globalThis.stemfx = globalThis.stemfx || {});

  const JOIN_S = 0.01;
  const AT_ONCE = 4; // decoded at the same time: what is nearest comes first

  const clock = (seconds) =>
    `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  const canPlayOpus = () =>
    document.createElement("audio").canPlayType('audio/ogg; codecs="opus"') !== "";

  const reason = (error) => (error && error.message ? ` (${error.message})` : "");

  class Segments {
    // changed(): a segment is ready. failed(message, id, k): it stays silent; told once of each.
    constructor(data, load, context, { changed, failed }) {
      const rate = data.sample_rate;
      this.length = Math.round(data.audio.segment_s * rate);
      this.overlap = Math.round(data.audio.overlap_s * rate);
      this.join = 2 * Math.min(Math.round((JOIN_S * rate) / 2), this.overlap);
      this.points = new Map(data.points.map((point) => [point.id, point]));
      this.rate = rate;
      this.load = load;
      this.context = context;
      this.changed = changed;
      this.failed = failed;
      this.entries = new Map(); // "p3/12" -> {id, k, buffer: undefined (coming) | null (failed)}
      this.told = new Set();
      this.queue = [];
      this.nRunning = 0;
      this.hasDecoded = false;
    }

    // Segments of a point that are heard between two samples of the song.
    covering(id, from, to) {
      const { n_samples: n, n_segments: count } = this.points.get(id);
      if (!count || Math.min(to, n) <= from) return [];
      const half = this.join / 2;
      const first = Math.max(0, Math.floor((from - half) / this.length));
      const last = Math.min(count - 1, Math.floor((Math.min(to, n) - 1 + half) / this.length));
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
    }

    // Samples of the song in which segment k is heard, and the one its buffer starts with.
    span(id, k) {
      const { n_samples: n, n_segments: count } = this.points.get(id);
      const half = this.join / 2;
      return {
        origin: Math.max(0, k * this.length - this.overlap),
        from: k === 0 ? 0 : k * this.length - half,
        to: k === count - 1 ? n : Math.min(n, (k + 1) * this.length + half),
      };
    }

    // AudioBuffer; null where it failed; undefined where it is not here yet.
    get(id, k) {
      const entry = this.entries.get(`${id}/${k}`);
      return entry && entry.buffer;
    }

    // Keep these ([id, k], the most urgent first), fetch what is missing, drop all others.
    want(wanted) {
      const keys = new Set(wanted.map(([id, k]) => `${id}/${k}`));
      for (const key of this.entries.keys()) if (!keys.has(key)) this.entries.delete(key);
      this.queue = wanted.filter(([id, k]) => !this.entries.has(`${id}/${k}`));
      this._next();
    }

    // Resolves when nothing is wanted that is not here.
    async settled() {
      while (this.nRunning || this.queue.length) {
        await new Promise((resolve) => (this._settle = resolve));
      }
    }

    _next() {
      while (this.nRunning < AT_ONCE && this.queue.length) {
        const [id, k] = this.queue.shift();
        const entry = { id, k, buffer: undefined };
        this.entries.set(`${id}/${k}`, entry);
        this.nRunning += 1;
        this._fill(entry).finally(() => {
          this.nRunning -= 1;
          this._next();
          this.changed();
          if (this._settle) this._settle();
        });
      }
    }

    async _fill(entry) {
      let verb = "loaded";
      try {
        const bytes = await this.load(entry.id, entry.k);
        verb = "decoded";
        const buffer = await this.context.decodeAudioData(bytes.slice(0)); // it takes its bytes away
        this.hasDecoded = true;
        this._fade(buffer, entry);
        entry.buffer = buffer;
      } catch (error) {
        entry.buffer = null;
        this._tell(entry, verb, error);
      }
    }

    _fade(buffer, { id, k }) {
      const { origin, from, to } = this.span(id, k);
      const { join } = this;
      for (let channel = 0; channel < buffer.numberOfChannels; channel += 1) {
        const samples = buffer.getChannelData(channel);
        samples.fill(0, to - origin); // browsers play a sample more than they are asked for
        for (let i = 0; i < join; i += 1) {
          const rising = (i + 0.5) / join;
          if (k > 0) samples[from - origin + i] *= rising;
          if (k < this.points.get(id).n_segments - 1) samples[to - origin - 1 - i] *= rising;
        }
      }
    }

    _tell({ id, k }, verb, error) {
      const opusIsUnknown = verb === "decoded" && !this.hasDecoded && !canPlayOpus();
      const key = opusIsUnknown ? "opus" : `${id}/${k}`;
      if (this.told.has(key)) return;
      this.told.add(key);
      const from_s = (k * this.length) / this.rate;
      const to_s = Math.min((k + 1) * this.length, this.points.get(id).n_samples) / this.rate;
      const message = opusIsUnknown
        ? "This browser cannot decode Ogg Opus, so the page stays silent in it: open it in a " +
          "current Chrome, Edge or Firefox, or in Safari 18.4 or later."
        : `The audio of "${this.points.get(id).label}" from ${clock(from_s)} to ${clock(to_s)} ` +
          `cannot be ${verb}${reason(error)}: it is silent there, all else plays on.`;
      this.failed(message, id, k);
    }
  }

  stemfx.Segments = Segments;
})();

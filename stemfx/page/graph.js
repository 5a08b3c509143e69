// What a signal runs through: segments that are started to the sample, strips of gain and pan.
(function () {
  "use strict";
  const stemfx = (globalThis.stemfx = globalThis.stemfx || {});

  const EDGE_S = 0.005; // fade where a pass begins (before its first sample) and ends

  const toGain = (db) => 10 ** (db / 20);

  // Gains of left and right as stemfx pans: constant power, 1 in the centre.
  function stereoGains(gain_db, pan) {
    const gain = toGain(gain_db);
    if (!pan) return [gain, gain];
    const angle = ((Math.max(-1, Math.min(1, pan)) + 1) * Math.PI) / 4;
    const law = [Math.cos(angle), Math.sin(angle)];
    return law.map((x) => gain * Math.SQRT2 * Math.max(0, x));
  }

  // A gain that moves along straight lines, and knows its value at any frame: browsers differ in
  // what they can tell of a ramp that is under way, and a wrong guess clicks.
  class Fader {
    constructor(context, value) {
      this.rate = context.sampleRate;
      this.node = new GainNode(context, { gain: value });
      this.node.gain.setValueAtTime(value, context.currentTime);
      this.corners = [[-Infinity, value]];
    }

    at(frame) {
      const after = this.corners.findIndex(([corner]) => corner > frame);
      if (after === -1) return this.corners[this.corners.length - 1][1];
      const [[start, a], [end, b]] = [this.corners[after - 1], this.corners[after]];
      return start === -Infinity ? a : a + ((b - a) * (frame - start)) / (end - start);
    }

    ramp(to, start, end) {
      const value = this.at(start);
      const before = this.corners.filter(([frame]) => frame < start).slice(-4);
      this.corners = [...before, [start, value], [end, to]];
      const gain = this.node.gain;
      gain.cancelScheduledValues(start / this.rate);
      gain.linearRampToValueAtTime(value, start / this.rate);
      gain.linearRampToValueAtTime(to, end / this.rate);
    }
  }

  // Channel strip of one heard point: its gain and pan.
  class Strip {
    constructor(context, merger) {
      this.input = new GainNode(context, { channelCount: 2, channelCountMode: "explicit" });
      this.splitter = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
      this.input.connect(this.splitter);
      this.faders = [0, 1].map((side) => {
        const fader = new Fader(context, 0);
        this.splitter.connect(fader.node, side);
        fader.node.connect(merger, 0, side);
        return fader;
      });
      this.goneAt = Infinity;
    }

    ramp(gains, start, end) {
      this.faders.forEach((fader, side) => fader.ramp(gains[side], start, end));
    }

    close() {
      for (const node of [this.input, this.splitter, ...this.faders.map((f) => f.node)]) {
        node.disconnect();
      }
    }
  }

  // From frame `at` of the audio clock on, samples [from, to) of the song are heard.
  class Pass {
    constructor(context, { at, from, to, fadesOut, continues }) {
      Object.assign(this, { context, at, from, to, fadesOut, continues });
      this.rate = context.sampleRate;
      this.edge = Math.round(EDGE_S * this.rate);
      this.end = at + to - from;
      this.sources = new Map(); // "p3/12" -> {id, node, fader}; node null once it has ended
    }

    // Start a segment where it belongs, or in its midst from frame `soon` on. Returns its first
    // frame, or Infinity where there is nothing to start.
    start(id, k, buffer, span, strip, soon) {
      const key = `${id}/${k}`;
      const earliest = soon - this.at + this.from;
      const first = Math.max(span.from, this.from - this.edge, earliest, 0);
      const end = Math.min(span.to, this.to, span.origin + buffer.length);
      if (this.sources.has(key) || first >= end) return Infinity;
      const startFrame = this.at + first - this.from;
      const isLate = first === earliest && first > Math.max(span.from, this.from - this.edge);
      const isFirst = first < this.from;
      const fader = new Fader(this.context, isLate || isFirst ? 0 : 1);
      if (isLate) fader.ramp(1, startFrame, startFrame + this.edge);
      else if (isFirst) fader.ramp(1, this.at - this.edge, this.at);
      if (this.fadesOut && end > this.to - this.edge) {
        fader.ramp(0, Math.max(this.end - this.edge, startFrame), this.end);
      }
      const node = new AudioBufferSourceNode(this.context, { buffer });
      node.connect(fader.node).connect(strip.input);
      node.start(startFrame / this.rate, (first - span.origin) / this.rate, (end - first) / this.rate);
      const source = { id, node, fader };
      node.onended = () => this.release(source);
      this.sources.set(key, source);
      return startFrame;
    }

    cut(start, end) {
      this.end = Math.min(this.end, end);
      for (const { node, fader } of this.sources.values()) {
        if (!node) continue;
        fader.ramp(0, start, end);
        node.stop(end / this.rate);
      }
    }

    release(source) {
      if (!source.node) return;
      source.node.stop();
      source.node.disconnect();
      source.fader.node.disconnect();
      source.node = null;
    }

    forget(id) {
      for (const [key, source] of this.sources) {
        if (id !== undefined && source.id !== id) continue;
        this.release(source);
        this.sources.delete(key);
      }
    }
  }

  Object.assign(stemfx, { Fader, Strip, Pass, toGain, stereoGains, EDGE_S });
})();

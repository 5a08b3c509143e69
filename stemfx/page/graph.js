// What a signal runs through: faders that know where they stand, and strips of gain and pan.
(function () {
  "use strict";
  const stemfx = (globalThis.stemfx = globalThis.stemfx || {});

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

  Object.assign(stemfx, { Fader, Strip, toGain, stereoGains });
})();

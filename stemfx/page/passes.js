// Where the song is at any frame of the audio clock.
//
// Times of the song are counted in its samples, times of the clock in frames; both run at the same
// rate. A *pass* maps one onto the other: from frame `at` on, samples [from, to) are heard. Playing
// on is one pass; a loop is one pass after another, each faded in before its first sample while
// the one before fades out, so that the first sample, where the beat is, is whole.
(function () {
  "use strict";
  const stemfx = (globalThis.stemfx = globalThis.stemfx || {});

  const { Fader } = stemfx;
  const EDGE_S = 0.005; // fade where a pass begins (before its first sample) and ends

  class Pass {
    // fadesOut: another follows at once. continues: what went before was the song up to here.
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
        fader.ramp(0, this.end - this.edge, this.end);
      }
      const node = new AudioBufferSourceNode(this.context, { buffer });
      node.connect(fader.node).connect(strip.input);
      const times = [startFrame, first - span.origin, end - first];
      node.start(...times.map((frames) => frames / this.rate));
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

  class Passes {
    constructor(context, end) {
      this.context = context;
      this.edge = Math.round(EDGE_S * context.sampleRate);
      this.end = end; // of the song, in samples
      this.from = 0; // sample at which the next pass begins
      this.loop = null; // {start, end} in samples
      this.list = []; // in order; empty while nothing sounds
      this.fading = []; // cut off, for as long as they fade out
    }

    get isRunning() {
      return this.list.length > 0;
    }

    // Sample of the song at a frame of the clock.
    songAt(frame) {
      if (!this.isRunning) return this.from;
      const pass = this.list.findLast(({ at }) => at <= frame) ?? this.list[0];
      const sample = pass.from + frame - pass.at;
      return Math.max(pass.continues ? 0 : pass.from, Math.min(pass.to, sample));
    }

    begin(from, at, continues = false) {
      const fadesOut = this.loop !== null && from < this.loop.end;
      const to = fadesOut ? this.loop.end : this.end;
      this.list.push(new Pass(this.context, { at, from, to, fadesOut, continues }));
    }

    // Add passes of the loop up to a frame.
    extend(until) {
      while (this.loop && this.list.at(-1)?.fadesOut && this.list.at(-1).end <= until) {
        this.begin(this.loop.start, this.list.at(-1).end);
      }
    }

    // Spans of the song between two frames, each with its pass; where nothing sounds yet, the one
    // that it would begin with.
    spans(start, end) {
      if (!this.isRunning) return [{ pass: null, from: this.from, to: this.from + end - start }];
      return this.list.flatMap((pass) => {
        const from = pass.from + Math.max(-pass.edge, start - pass.at);
        const to = Math.min(pass.to, pass.from + end - pass.at);
        return from < to ? [{ pass, from, to }] : [];
      });
    }

    fadeOut(start) {
      for (const pass of this.list) pass.cut(start, start + pass.edge);
      this.fading.push(...this.list);
      this.list = [];
    }

    // Let go of what is over, but not of the last pass: it says where the song is.
    sweep(now, heard) {
      this.fading = this.fading.filter((pass) => pass.end > now || pass.forget());
      const isOver = (pass) => pass.end <= Math.min(now, heard);
      while (this.list.length > 1 && isOver(this.list[0])) this.list.shift().forget();
    }

    forget(id) {
      for (const pass of [...this.list, ...this.fading]) pass.forget(id);
    }

    isOverAt(frame) {
      return this.isRunning ? this.list.at(-1).end <= frame : this.from >= this.end;
    }
  }

  stemfx.Passes = Passes;
})();

// A blind test: X is A or B by the toss of a coin, and the listener says which.
(function () {
  "use strict";
  const stemfx = (globalThis.stemfx = globalThis.stemfx || {});

  // Chance of n_right or more right answers out of n by guessing: one-sided exact binomial test.
  function chance(n, n_right) {
    let log = -n * Math.LN2; // of C(n, k) / 2^n, from k = 0 on: 2^-n alone is 0 from n = 1075
    let sum = 0;
    for (let k = 0; k <= n; k += 1) {
      if (k >= n_right) sum += Math.exp(log);
      log += Math.log((n - k) / (k + 1));
    }
    return Math.min(1, sum);
  }

  class BlindTest {
    // toss(): "A" or "B", each as likely; not to be foreseen from the tosses before.
    constructor(toss = () => (crypto.getRandomValues(new Uint8Array(1))[0] & 1 ? "A" : "B")) {
      this.toss = toss;
      this.reset();
    }

    reset() {
      this.n = 0;
      this.n_right = 0;
      this.x = null; // what X is, until it is answered
    }

    // Draw X, unless one waits for its answer: an X that can be drawn again can be chosen.
    next() {
      this.x ??= this.toss();
    }

    // Returns whether the answer is right; null where no X waits for one.
    answer(said) {
      if (this.x === null) return null;
      const isRight = said === this.x;
      this.n += 1;
      this.n_right += isRight ? 1 : 0;
      this.x = null;
      return isRight;
    }

    get pValue() {
      return chance(this.n, this.n_right);
    }
  }

  stemfx.BlindTest = BlindTest;
})();

// A/B: any two points at equal loudness, and a blind test of whether they can be told apart.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const { el, button, toggle, db, count, say } = stemfx.dom;

  stemfx.AbPanel = class {
    constructor(page, listening) {
      this.page = page;
      this.listening = listening;
      this.test = null;
      const { ab } = listening;
      this.selects = { a: this.#select("a"), b: this.#select("b") };
      const hear = (side) =>
        toggle(`Hear ${side.toUpperCase()}`, () => this.hear(side, true), { class: `side side-${side}` });
      this.sides = { a: hear("a"), b: hear("b"), x: hear("x") };
      this.swap = button("Swap", () => listening.compare({ a: ab.b, b: ab.a, isOn: ab.isOn }));
      this.equal = el("input", {
        type: "checkbox",
        checked: true,
        on: { change: () => listening.compare({ isEqual: this.equal.checked, isOn: ab.isOn }) },
      });
      this.levels = el("p", { class: "levels" });
      this.off = button("Back to the lanes", () => this.leave(), { class: "quiet" });
      this.blind = this.#blindPanel();
      const canCompare = listening.comparable().length > 1;
      const n_silent = page.data.points.filter((point) => !point.n_segments).length;
      this.element = el(
        "div",
        { class: "ab" },
        ...(canCompare
          ? [
              el(
                "div",
                { class: "pair" },
                el("label", { class: "choice of-a" }, el("span", { text: "A" }), this.selects.a),
                this.swap,
                el("label", { class: "choice of-b" }, el("span", { text: "B" }), this.selects.b),
              ),
              el(
                "div",
                { class: "hearing" },
                this.sides.a,
                this.sides.b,
                this.sides.x,
                el("label", { class: "check" }, this.equal, el("span", { text: "Equal loudness" })),
                this.off,
              ),
              this.levels,
              n_silent
                ? el("p", {
                    class: "note",
                    text: `${count(n_silent, "point has", "points have")} no sound in this page: it has no room for them, or the cache no longer holds them. \`stemfx ui\` plays every point.`,
                  })
                : null,
              this.blind,
            ]
          : [
              el("p", {
                class: "note",
                text: "Fewer than two points of this run have sound in this page: there is nothing to compare.",
              }),
            ]),
      );
      this.canCompare = canCompare;
    }

    #select(side) {
      const { listening } = this;
      const used = new Set();
      const groups = listening.lanes.map((lane) => {
        const points = listening
          .pointsOf(lane)
          .map((id) => listening.points.get(id))
          .filter((point) => point.n_segments && !used.has(point.id));
        for (const point of points) used.add(point.id);
        return points.length
          ? el(
              "optgroup",
              { label: lane.label },
              ...points.map((point) =>
                el("option", {
                  value: point.id,
                  text: point.has_own_time ? `${point.label} (own time)` : point.label,
                }),
              ),
            )
          : null;
      });
      return el(
        "select",
        {
          "aria-label": `Point ${side.toUpperCase()}`,
          on: { change: (event) => this.choose({ [side]: event.target.value }) },
        },
        ...groups,
      );
    }

    choose(values) {
      this.#endTest();
      this.listening.compare({ ...values, isOn: this.listening.ab.isOn });
    }

    // Hear two points, A before and B after; B first, as it is the result.
    compare(a, b, side = "b") {
      if (!this.listening.hasSound(a) || !this.listening.hasSound(b))
        return say("One of the two has no sound in this page.");
      this.#endTest();
      this.listening.compare({ a, b, side });
    }

    hear(side, doesPlay = false) {
      if (!this.canCompare) return say("There are not two points with sound to compare.");
      this.listening.compare({ side });
      if (doesPlay) this.page.play();
      const { ab, points } = this.listening;
      say(side === "x" ? "X" : `${side.toUpperCase()}: ${points.get(ab[side]).label}`);
    }

    // The key x: to the other one; in a blind test A, B, X in turn.
    switch() {
      const { ab } = this.listening;
      const order = this.test ? ["a", "b", "x"] : ["a", "b"];
      this.hear(ab.isOn ? order[(order.indexOf(ab.side) + 1) % order.length] : ab.side);
    }

    leave() {
      this.#endTest();
      this.listening.leaveComparison();
    }

    // ---- blind -----------------------------------------------------------------------------

    #blindPanel() {
      this.start = button("Start a blind test", () => (this.test ? this.#endTest(true) : this.#startTest()));
      this.answers = ["A", "B"].map((name) =>
        button(`X is ${name}`, () => this.#answer(name), { class: "answer" }),
      );
      this.reset = button(
        "From zero",
        () => {
          this.test.reset();
          this.#draw();
          this.#score("");
        },
        { class: "quiet" },
      );
      this.score = el("p", { class: "score", role: "status" });
      return el(
        "details",
        { class: "blind" },
        el("summary", { text: "Blind test" }),
        el("p", {
          class: "help",
          text: "X is A or B by the toss of a coin. Listen to all three as often as you like, then say which it is. Sixteen rounds make a fair test.",
        }),
        el("div", { class: "hearing" }, this.start, ...this.answers, this.reset),
        this.score,
      );
    }

    #startTest() {
      this.test = new stemfx.BlindTest();
      this.#draw();
      this.#score("");
    }

    #draw() {
      this.test.next();
      this.listening.compare({ x: this.test.x.toLowerCase(), side: "x" });
    }

    #endTest(isTold = false) {
      if (!this.test) return;
      this.test = null;
      Object.assign(this.listening.ab, {
        x: null,
        side: this.listening.ab.side === "x" ? "b" : this.listening.ab.side,
      });
      if (isTold) this.listening.tell();
    }

    #answer(name) {
      const isRight = this.test.answer(name);
      this.#draw();
      this.#score(isRight ? "Right. " : "Wrong. ");
    }

    #score(verdict) {
      const { n, n_right, pValue } = this.test;
      const p = pValue < 0.001 ? "p < 0.001" : `p = ${pValue.toFixed(3)}`;
      const meaning = n < 5 ? "" : pValue < 0.05 ? " You hear a difference." : " This could be guessing.";
      this.score.textContent = n
        ? `${verdict}${n_right} of ${count(n, "answer")} right, ${p}.${meaning}`
        : "X waits. No answer yet.";
    }

    // ---- showing ---------------------------------------------------------------------------

    show() {
      if (!this.canCompare) return;
      const { ab, points } = this.listening;
      if (!ab.isOn && this.test) this.#endTest();
      const isTest = Boolean(this.test);
      for (const side of ["a", "b"]) this.selects[side].value = ab[side];
      for (const [side, element] of Object.entries(this.sides)) element.pressed(ab.isOn && ab.side === side);
      this.sides.x.hidden = !isTest;
      for (const element of [...this.answers, this.reset, this.score]) element.hidden = !isTest;
      this.start.textContent = isTest ? "End the test" : "Start a blind test";
      this.equal.checked = ab.isEqual;
      this.off.hidden = !ab.isOn;
      this.element.classList.toggle("is-on", ab.isOn);
      const [gain_a_db, gain_b_db] = this.listening.gains();
      const level = (side, gain_db) => {
        const { start_s = 0, end_s = Infinity } = this.listening.range ?? {};
        const lufs = stemfx.loudness(points.get(ab[side]), start_s, end_s);
        return `${side.toUpperCase()} ${db(lufs, "LUFS")}${gain_db < -0.05 ? `, turned down ${db(-gain_db)}` : ""}`;
      };
      const isApart = points.get(ab.a).has_own_time !== points.get(ab.b).has_own_time;
      this.levels.textContent =
        `${level("a", gain_a_db)} · ${level("b", gain_b_db)}${this.listening.range ? ", in the loop" : ""}` +
        `${isApart ? ". One of the two is from before its song was aligned: they are not in step." : ""}`;
    }
  };
})();

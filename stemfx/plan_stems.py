"""How a source becomes stems: the part of the graph between a song and its tracks.

Each model separates at its own rate (`separate`), its stems are brought to the song's (`fit`),
those of several models are combined (`combine`), made again as masks where the recipe asks for it
(`mask`), and what they leave of the mixture (`residual`) goes where the recipe wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stemfx.errors import Problem, RecipeError
from stemfx.graph import (
    CombineStems,
    Fit,
    Graph,
    MaskMixture,
    Port,
    Resample,
    Residual,
    ReturnResidual,
    Separate,
)
from stemfx.models import Choice
from stemfx.recipe import Member, Recipe, Source
from stemfx.recipe.problems import did_you_mean, listing
from stemfx.separation import RESIDUAL
from stemfx.stage import Finding

USUAL_DEVICES = ("auto", "cpu")
"""What nobody means as a wish that a model could fail to heed."""


class SourceStems:
    """Adds to a graph what the stems of one source need.

    Args:
        graph: takes the nodes.
        recipe: says how to separate.
        source: one file, or the sum of its stems.
        choices: the model of each member of `recipe.separate`.
        wanted: the stems that tracks ask for.
        wants_all: whether every stem that the song is made of is needed.
        mixture: port of the whole source.
        is_mono: whether it has one channel.
        sample_rate: of the project, in Hz.
        device: where the networks compute.
    """

    def __init__(
        self,
        graph: Graph,
        recipe: Recipe,
        source: Source,
        choices: Sequence[Choice],
        *,
        wanted: Sequence[str],
        wants_all: bool,
        mixture: Port,
        is_mono: bool,
        sample_rate: int,
        device: str,
    ) -> None:
        self._graph, self._source, self._mixture = graph, source, mixture
        self._how = recipe.separate
        self._is_mono, self._rate, self._device = is_mono, sample_rate, device
        self._members = list(zip(self._how.members, choices, strict=True))
        self._ports: dict[str, Port] = {}  # what was made already, by its name
        # Of several models the first one that gives most of what is wanted says what the song
        # is made of: the stems of one model sum to the song, those of two would do it twice.
        host = max(choices, key=lambda c: len(set(wanted) & set(c.separator.card.stems)))
        self.song = host.separator.card.stems
        self._check_weights()
        is_asked = self._how.residual == "keep" and RESIDUAL in wanted
        # What no stem explains is known only when all are there.
        more = self.song if is_asked or wants_all else ()
        self._wanted = tuple(dict.fromkeys((*more, *(s for s in wanted if s != RESIDUAL))))
        self._estimates = self._separate_all()
        self.is_complete = all(map(self._is_estimated, self.song))

    def port(self, stem: str, where: str) -> Port:
        """Return the signal of one stem of this source, for what asks for it at `where`.

        Raises:
            RecipeError: no model gives it.
        """
        policy = self._how.residual
        if stem == RESIDUAL and policy == "keep" and self.is_complete:
            return self.residual()
        if stem not in self.offered:
            raise self._unknown(stem, where)
        rest_to = "other" if "other" in self.song else self.song[-1]
        if not self.is_complete or policy not in ("other", "spread") or stem not in self.song:
            return self._estimate(stem)
        if policy == "other" and stem != rest_to:
            return self._estimate(stem)
        stems = (rest_to,) if policy == "other" else self.song
        node = self._once(
            "residual returned",
            lambda: self._graph.add(
                f"{self._source.name}/residual/{policy}",
                "return_residual",
                ReturnResidual(stems),
                [*map(self._estimate, stems), self.residual()],
                config=[policy, stems],
                signals=stems,
            ),
        ).node
        return Port(node, stem)

    def residual(self) -> Port:
        """Return the signal of what all stems leave of the mixture."""
        return self._once(
            "residual",
            lambda: self._graph.add(
                f"{self._source.name}/residual",
                "residual",
                Residual(),
                [self._mixture, *map(self._estimate, self.song)],
                signals=(RESIDUAL,),
                is_told=True,
            ),
        )

    def findings(self) -> list[Finding]:
        """Tell which wishes of the recipe the models cannot heed."""
        found = []
        asked = self._how.asked | (set() if self._device in USUAL_DEVICES else {"device"})
        for (member, choice), stems in zip(self._members, self._estimates, strict=True):
            name, separator = choice.separator.card.name, choice.separator
            if deaf := sorted(asked - separator.obeys):
                told = f"{name!r} takes no {listing(deaf)}; what is said of it changes nothing"
                found.append(Finding("info", "effort_without_effect", told))
            if not stems:
                told = f"{name!r} gives none of the stems that are used ({listing(self._wanted)})"
                found.append(Finding("warn", "model_not_used", f"{told} [{member.where}]"))
        return found

    # --- from the models to one estimate a stem ------------------------------------------

    def _check_weights(self) -> None:
        """Refuse weights of stems that their model does not give: they would change nothing."""
        problems = [
            Problem(
                member.where,
                f"{choice.separator.card.name!r} gives no stem {stem!r} to weigh"
                f"{did_you_mean(stem, choice.separator.card.stems)} "
                f"(it gives {', '.join(choice.separator.card.stems)})",
            )
            for member, choice in self._members
            for stem in member.weights
            if stem not in choice.separator.card.stems
        ]
        if problems:
            raise RecipeError(problems)

    def _is_estimated(self, stem: str) -> bool:
        """Tell whether every model that has a say in a stem was asked for it, one at least."""
        asked = [
            stem in stems
            for (member, choice), stems in zip(self._members, self._estimates, strict=True)
            if member.weight_of(stem) and stem in choice.separator.card.stems
        ]
        return bool(asked) and all(asked)

    @property
    def offered(self) -> list[str]:
        """The stems that some model gives."""
        stems = [s for m, c in self._members for s in c.separator.card.stems if m.weight_of(s)]
        return list(dict.fromkeys((*(s for s in self.song if s in stems), *stems)))

    def _separate_all(self) -> list[dict[str, Port]]:
        """Return, for each model, its estimates; none where it has nothing to give."""
        estimates = []
        for member, choice in self._members:
            card = choice.separator.card
            wanted = tuple(s for s in card.stems if s in self._wanted and member.weight_of(s))
            estimates.append(self._separate(member, choice, wanted) if wanted else {})
        return estimates

    def _separate(self, member: Member, choice: Choice, wanted: tuple[str, ...]) -> dict[str, Port]:
        separator, name = choice.separator, self._source.name
        card, effort = separator.card, self._how.effort
        computed = separator.computes(wanted)
        # `stemfx plan` downloads nothing: weights that are not here yet cannot have been used.
        identity = "not here" if choice.must_fetch else separator.identity()
        heard = self._mixture
        if card.sample_rate != self._rate:
            heard = self._once(
                f"at {card.sample_rate} Hz",
                lambda: self._graph.add(
                    f"{name}/resample",
                    "resample",
                    Resample(card.sample_rate),
                    [self._mixture],
                    config=card.sample_rate,
                ),
            )
        heeded = effort.heeded_by(separator)
        device = self._device if "device" in separator.obeys else None
        suffix = f"/{card.name}" if len(self._members) > 1 else ""
        raw = self._graph.add(
            f"{name}/separate{suffix}",
            "separate",
            Separate(separator, wanted, effort, self._device),
            [heard],
            config=[card.name, identity, computed, heeded, device],
            signals=computed,
            where=member.where,
        )
        ports = {stem: Port(raw.node, stem) for stem in computed}
        if card.sample_rate != self._rate or self._is_mono:
            fitted = self._graph.add(
                f"{name}/fit{suffix}",
                "fit",
                Fit(),
                [self._mixture, *ports.values()],
                signals=computed,
            )
            ports = {stem: Port(fitted.node, stem) for stem in computed}
        return ports

    def _estimate(self, stem: str) -> Port:
        """Return the signal of a stem before the residual comes back."""
        mask = self._how.mask
        if mask == "none":
            return self._combined(stem)
        masked = self.song if self.is_complete else self._wanted
        masked = tuple(s for s in masked if s in self.song)
        if stem not in masked:  # it overlaps with those that sum to the song
            msg = f"a mask needs stems that sum to the song: {listing(self.song)}; not {stem!r}"
            raise RecipeError([Problem(self._how.where, f"separate.mask: {msg}")])
        node = self._once(
            "masked",
            lambda: self._graph.add(
                f"{self._source.name}/mask",
                "mask",
                MaskMixture(mask, self.is_complete),
                [self._mixture, *map(self._combined, masked)],
                config=[mask, self.is_complete],
                signals=masked,
            ),
        ).node
        return Port(node, stem)

    def _combined(self, stem: str) -> Port:
        """Return the one estimate of a stem that there is, or what several are combined to."""
        voices = [
            (stems[stem], member.weight_of(stem))
            for (member, _), stems in zip(self._members, self._estimates, strict=True)
            if stem in stems and member.weight_of(stem)
        ]
        if len(voices) == 1:
            return voices[0][0]
        ports, weights = zip(*voices, strict=True)
        method = self._how.combine
        return self._once(
            f"combined {stem}",
            lambda: self._graph.add(
                f"{self._source.name}/combine/{stem}",
                "combine",
                CombineStems(method, weights),
                ports,
                config=[method, weights],
            ),
        )

    def _once(self, name: str, make: Callable[[], Port]) -> Port:
        if name not in self._ports:
            self._ports[name] = make()
        return self._ports[name]

    def _unknown(self, stem: str, where: str) -> RecipeError:
        names = [repr(choice.separator.card.name) for _, choice in self._members]
        who = f"model {names[0]} gives" if len(names) == 1 else f"models {listing(names)} give"
        offered = [*self.offered]
        if self._how.residual == "keep" and self.is_complete:
            offered.append(RESIDUAL)
        message = (
            f"{who} no stem {stem!r} of {self._source.name!r}{did_you_mean(stem, offered)} "
            f"({'it gives' if len(names) == 1 else 'they give'} {', '.join(offered)})"
        )
        return RecipeError([Problem(where, message)])


Choices = Mapping[str, Sequence[Choice]]
"""For each source that has to be separated, the model of each member of `recipe.separate`."""

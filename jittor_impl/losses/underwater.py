"""What Phaseformer and Spectroformer are trained to minimize: four terms, weighted.

Sources: Khan et al., WACV 2025 and WACV 2024, and their users' training; see phaseformer.py.
"""

from __future__ import annotations

import jittor as jt
from jittor import Var, nn

from jittor_impl.layers import resize_bilinear, softmax, tensor_like, uniform_parameter
from jittor_impl.losses.images import (
    absolute_difference,
    charbonnier_difference,
    laplacian_difference,
    smooth_difference,
)
from jittor_impl.losses.similarity import multiscale_similarity
from jittor_impl.vgg import VGG
from restoration.models.spec import Spec
from restoration.training.vgg import IMAGENET_MEAN, IMAGENET_STD, VGG16, VGG19, read_vgg

VGG_SIDE = 224


class LearnedWeights(nn.Module):
    """A sum of terms whose weights, the softmax of numbers that are learned, add up to 1.

    The numbers start uniformly distributed over a range of 1; where it lies makes no difference.
    """

    def __init__(self, count: int):
        super().__init__()
        self.logits = uniform_parameter((1, count), 0.5)

    def execute(self, terms: list[Var]) -> Var:
        shares = self.shares(len(terms))
        total = shares[0] * terms[0]
        for share, term in zip(shares[1:], terms[1:], strict=True):
            total = total + share * term
        return total

    def shares(self, count: int) -> list[Var]:
        """The weights, (1,) each."""
        shares = softmax(self.logits, dim=1)
        return [shares[0, i : i + 1] for i in range(count)]


class Terms(nn.Module):
    """The terms of an image (n, 3, h, w) and its target by name, (1,) each.

    original: the authors' terms instead of their users'. An empty list of VGG weights leaves out
    the perceptual term.
    """

    def __init__(self, vgg: str, *, perceptual: bool, original: bool):
        super().__init__()
        self.original = original
        self.perceptual = perceptual
        if perceptual:
            stages = read_vgg(vgg, VGG16 if original else VGG19)
            self.vgg = VGG(stages, is_activated=original)

    def execute(self, output: Var, target: Var) -> dict[str, Var]:
        if self.original:
            found = {"smooth_l1": smooth_difference(output, target)}
        else:
            found = {"charbonnier": charbonnier_difference(output, target)}
        if self.perceptual:
            found["perceptual"] = self.perceptual_difference(output, target)
        found["gradient"] = laplacian_difference(output, target)
        found["dissimilarity"] = 1 - multiscale_similarity(output, target)
        return found

    def perceptual_difference(self, output: Var, target: Var) -> Var:
        """Mean absolute difference of features, 2 x (n, 3, h, w) -> (1,).

        The authors add up four stages of VGG-16, of images normalized as those it was trained on;
        their users take the last convolution of VGG-19, and images as they are.
        """
        if not self.original:
            return absolute_difference(self.vgg(output)[-1], self.vgg(target)[-1])
        found = self.vgg(self.normalized(output))
        wanted = self.vgg(self.normalized(target))
        total = absolute_difference(found[0], wanted[0])
        for one, other in zip(found[1:], wanted[1:], strict=True):
            total = total + absolute_difference(one, other)
        return total

    def normalized(self, image: Var) -> Var:
        """An image as VGG's training had them, (n, 3, h, w) -> (n, 3, 224, 224)."""
        mean = tensor_like(IMAGENET_MEAN, image).reshape(1, 3, 1, 1)
        deviation = tensor_like(IMAGENET_STD, image).reshape(1, 3, 1, 1)
        return resize_bilinear((image - mean) / deviation, VGG_SIDE, VGG_SIDE)


class PhaseformerLoss(nn.Module):
    """Phaseformer's loss: four terms at each of two sizes, all weights learned.

    The batch's "target" (n, 3, h, w) is compared with the smaller output, and "target_high"
    (n, 3, 2h, 2w), else the target enlarged, with the larger one; min(h, w) > 160.

    vgg: file of VGG weights. perceptual: with the term that needs them. original: the authors'
    terms, smooth L1 and VGG-16, of images in [-1, 1], instead of their users', Charbonnier and
    VGG-19. defect_similarity_added: add similarity instead of 1 minus it, as the authors' script
    does, which so makes images less similar. Both scripts also keep the weights as they were drawn:
    freeze "loss.*" for that.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        vgg: str = "",
        perceptual: bool = True,
        original: bool = False,
        defect_similarity_added: bool = False,
    ):
        super().__init__()
        self.terms = Terms(vgg, perceptual=perceptual, original=original)
        self.term_weights = LearnedWeights(4 if perceptual else 3)
        self.level_weights = LearnedWeights(2)
        self.defect_similarity_added = defect_similarity_added

    def execute(self, outputs: dict[str, Var], batch: dict[str, Var]) -> dict[str, Var]:
        low, high, target = outputs["low"], outputs["high"], batch["target"]
        if "target_high" in batch:
            high_target = batch["target_high"]
        else:
            high_target = resize_bilinear(target, high.shape[2], high.shape[3])
        low_terms, high_terms = self.terms(low, target), self.terms(high, high_target)
        if self.defect_similarity_added:
            low_terms["dissimilarity"] = 1 - low_terms["dissimilarity"]
            high_terms["dissimilarity"] = 1 - high_terms["dissimilarity"]
        levels = [
            self.term_weights(list(low_terms.values())),
            self.term_weights(list(high_terms.values())),
        ]
        found = {"loss": self.level_weights(levels)}
        for level, terms, total in (("low", low_terms, levels[0]), ("high", high_terms, levels[1])):
            for name, term in terms.items():
                found[f"{name}_{level}"] = term
            found[level] = total
        for name, share in zip(low_terms, self.term_weights.shares(len(low_terms)), strict=True):
            found[f"weight_{name}"] = share
        for level, share in zip(("low", "high"), self.level_weights.shares(2), strict=True):
            found[f"weight_{level}"] = share
        return found


class SpectroformerLoss(nn.Module):
    """Spectroformer's loss: four terms, of given weights or of learned ones.

    Output and target are (n, 3, h, w) in [0, 1], min(h, w) > 160; also for networks of one output
    other than Spectroformer.

    vgg, perceptual: see `PhaseformerLoss`. learned: weights are learned, as in the later script,
    which however keeps them as they were drawn: freeze "loss.*" for that. The others are the
    weights where they are not.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        vgg: str = "",
        perceptual: bool = True,
        learned: bool = False,
        charbonnier_weight: float = 0.03,
        perceptual_weight: float = 0.025,
        gradient_weight: float = 0.02,
        dissimilarity_weight: float = 0.01,
    ):
        super().__init__()
        self.name = spec.outputs[0]
        self.terms = Terms(vgg, perceptual=perceptual, original=False)
        self.learned = learned
        if learned:
            self.term_weights = LearnedWeights(4 if perceptual else 3)
        self.weights = {
            "charbonnier": charbonnier_weight,
            "perceptual": perceptual_weight,
            "gradient": gradient_weight,
            "dissimilarity": dissimilarity_weight,
        }

    def execute(self, outputs: dict[str, Var], batch: dict[str, Var]) -> dict[str, Var]:
        terms = self.terms(outputs[self.name], batch["target"])
        if not self.learned:
            weighted = [self.weights[name] * term for name, term in terms.items()]
            return {"loss": jt.stack(weighted, dim=0).sum().reshape(1)} | terms
        found = {"loss": self.term_weights(list(terms.values()))} | terms
        for name, share in zip(terms, self.term_weights.shares(len(terms)), strict=True):
            found[f"weight_{name}"] = share
        return found

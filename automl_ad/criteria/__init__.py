"""Label-free judgement of candidates: one criterion per file, and the veto before any ranking."""

from __future__ import annotations

from automl_ad.criteria.anchor_agreement import AnchorAgreement, anchor_agreement_of
from automl_ad.criteria.anchors import ANCHOR_DETECTORS, anchor_candidates, anchors_of
from automl_ad.criteria.checkpoint_stability import CheckpointStability
from automl_ad.criteria.consensus import Consensus
from automl_ad.criteria.criterion import Criterion
from automl_ad.criteria.evidence import Evidence
from automl_ad.criteria.excess_mass import ExcessMass
from automl_ad.criteria.expected_anomaly_gap import ExpectedAnomalyGap
from automl_ad.criteria.family_agreement import FamilyAgreement
from automl_ad.criteria.gamma_balance import GammaBalance
from automl_ad.criteria.hits import Hits
from automl_ad.criteria.image_probes import make_image_probes
from automl_ad.criteria.iterated_consensus import IteratedConsensus
from automl_ad.criteria.log_pseudo_discrepancy import LogPseudoDiscrepancy
from automl_ad.criteria.loss_entropy import LossEntropy
from automl_ad.criteria.loss_stability import LossStability
from automl_ad.criteria.mass_volume import MassVolume
from automl_ad.criteria.member_agreement import MemberAgreement, agreement_of_members
from automl_ad.criteria.model_centrality import ModelCentrality
from automl_ad.criteria.probe_auc import ProbeAuc, probe_auc_of
from automl_ad.criteria.probes import make_probes
from automl_ad.criteria.pseudo_discrepancy import PseudoDiscrepancy
from automl_ad.criteria.relative_top_median import RelativeTopMedian
from automl_ad.criteria.subsample_stability import SubsampleStability
from automl_ad.criteria.tail_shape import TailShape, tail_figures
from automl_ad.criteria.veto import n_levels, veto

CRITERIA: dict[str, Criterion] = {
    criterion.name: criterion
    for criterion in (
        AnchorAgreement(),
        TailShape(),
        RelativeTopMedian(),
        ExpectedAnomalyGap(),
        LossEntropy(),
        ProbeAuc(),
        PseudoDiscrepancy(),
        LogPseudoDiscrepancy(),
        ExcessMass(),
        MassVolume(),
        Consensus(),
        IteratedConsensus(),
        ModelCentrality(),
        Hits(),
        FamilyAgreement(),
        LossStability(),
        CheckpointStability(),
        GammaBalance(),
        MemberAgreement(),
        SubsampleStability(),
    )
}

__all__ = [
    "ANCHOR_DETECTORS",
    "CRITERIA",
    "Criterion",
    "Evidence",
    "agreement_of_members",
    "anchor_agreement_of",
    "anchor_candidates",
    "anchors_of",
    "make_image_probes",
    "make_probes",
    "n_levels",
    "probe_auc_of",
    "tail_figures",
    "veto",
]

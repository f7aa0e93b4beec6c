"""How a finished search is shown: a table for people, a document for programs."""

from automl_ad.reporting.document import evidence_document as evidence_document
from automl_ad.reporting.document import outcome_document as outcome_document
from automl_ad.reporting.leaderboard import leaderboard as leaderboard

"""Figure of notebook 00: one small table, two ways to share a mean."""

from normlib.live import controls
from normlib.live.which_numbers_share_a_mean import NormTable


class FirstTable(NormTable):
    """The table of samples x features with two controls only."""

    def make_controls(self):
        """Return the controls: norm and sample."""
        rows, _ = self.table.shape
        return {
            "norm": controls.choice("norm", ["batch", "layer"], "batch"),
            "sample": controls.whole("sample n", 0, rows - 1, 2),
        }

    def move(self, norm, sample):
        """Normalize the table and mark what shares a mean with x[sample, 2]."""
        return super().move(norm=norm, sample=sample, feature=2, change=0)


FIGURES = {"table": FirstTable}

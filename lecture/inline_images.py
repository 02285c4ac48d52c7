"""Pictures from beside the notebooks' folder, put into the page of slides."""

import base64
import mimetypes
from pathlib import Path

from voila.exporter import VoilaMarkdownRenderer


class InlineImages(VoilaMarkdownRenderer):
    """Put every local picture into the page, also one from ``../images``.

    Voilà itself looks only in the notebook's own folder, and stops the page with an
    error for a picture elsewhere.
    """

    def image(self, text, url, title=None):
        """Return the HTML of a picture; `url` is as written in the notebook."""
        path = Path(self.contents_manager.root_dir) / url
        if "://" not in url and path.is_file():
            kind, _ = mimetypes.guess_type(path.name)
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            url = f"data:{kind};base64,{data}"
            return super(VoilaMarkdownRenderer, self).image(text, url, title)
        return super().image(text, url, title)

"""What urllib does with a redirect, in every environment that downloads."""

import urllib.error
import urllib.request


class HttpsStays(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but for those that leave https.

    Raises: URLError with a text for its reason.
    """

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if req.type == "https" and not newurl.startswith("https:"):
            raise urllib.error.URLError(f"it redirects away from https, to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def opener():
    """Returns an OpenerDirector with the environment's proxies."""
    return urllib.request.build_opener(HttpsStays)

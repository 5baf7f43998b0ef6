"""urllib without redirects away from https, in every environment that downloads. On Python 3.7 as well."""

import urllib.error
import urllib.request


class HttpsOnlyRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, except from https to another scheme.

    Raises: URLError whose reason is a str.
    """

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if req.type == "https" and not newurl.startswith("https:"):
            raise urllib.error.URLError(f"it redirects away from https, to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def build_opener():
    """Returns an OpenerDirector that uses the environment's proxies."""
    return urllib.request.build_opener(HttpsOnlyRedirects)

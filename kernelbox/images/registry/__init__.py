"""Images from and to registries, over the OCI distribution protocol.

failures.py      it says no, or it says nothing
helpers.py       programs that keep passwords for Docker's config file
tokens.py        the answer to a registry that wants to know who we are
transport.py     HTTP: redirects, retries, time limits
credentials.py   who we are, in the Docker config file's own form
client.py        manifests and blobs of one repository
fetch.py         a blob on its way into the store: resumed, verified, fetched once
push.py          an image out of the store
pull.py          an image into it
"""

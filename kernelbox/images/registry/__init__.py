"""Images from and to registries, over the OCI distribution protocol.

credentials.py   who we are, in the Docker config file's own form
helpers.py       the programs that this file may name to keep passwords
transport.py     HTTP: redirects, retries, time limits
tokens.py        what is answered to a registry that wants to know who we are
failures.py      it says no, or it says nothing
client.py        manifests and blobs of one repository
fetching.py      a blob on its way into the store: resumed, verified, fetched once
pull.py          an image into the store
push.py          an image out of it
"""

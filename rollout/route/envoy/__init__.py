"""A local Envoy: weights in the route file that it watches, receipts from its admin port.

Only `proxy`, `admin` and `watched` touch the file system or the network; everything else here works
on a parsed route file.
"""

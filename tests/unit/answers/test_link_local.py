"""Addresses that no plan may reach, in every notation that a resolver takes."""

import pytest

from rollout.answers.link_local import check_address, check_host
from rollout.errors import AddressError

REFUSED = [
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "64:ff9b:1::a9fe:a9fe",
    "::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "2001:db8::5efe:169.254.169.254",
    "2001:db8::200:5efe:169.254.169.254",
    "2001:0:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:5601:5601",  # Teredo: the client's address is inverted
    "fd00:42::42",
    "fd00:c1::a9fe:a9fe",
]


@pytest.mark.parametrize("address", REFUSED)
def test_a_link_local_or_metadata_address_is_refused(address):
    with pytest.raises(AddressError, match="plans never reach"):
        check_address(address)


@pytest.mark.parametrize(
    "host", ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"]
)
def test_another_notation_of_it_is_refused(host):
    with pytest.raises(AddressError):
        check_host(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fd00::1", "metadata.invalid", ""])
def test_others_and_names_pass(host):
    check_address(host)
    check_host(host)

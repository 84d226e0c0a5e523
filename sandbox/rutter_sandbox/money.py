"""Amounts as whole minor units, currencies with their own exponents, and the one rounding rule for tax."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from rutter_sandbox.errors import PlatformRefusal

_WITHOUT_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_WITH_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_EXPONENTS = dict.fromkeys(_WITHOUT_DECIMALS.split(), 0) | dict.fromkeys(_WITH_THREE_DECIMALS.split(), 3)

_CODES = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK
HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL
MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD
RUB RWF SAR SBD SCR SDG SEK SGD SHP SOS SRD SSP SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS
VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG ZWL
"""
CURRENCIES = frozenset(_CODES.split())


def exponent_of(currency: str) -> int:
    return _EXPONENTS.get(currency, 2)


def to_minor(amount: Decimal | int, currency: str) -> int:
    """The amount in whole minor units. An amount finer than the currency is refused, as platforms do."""
    scaled = Decimal(amount).scaleb(exponent_of(currency))
    if scaled != scaled.to_integral_value():
        raise PlatformRefusal("INVALID_AMOUNT", f"The amount has more decimal places than {currency} allows.")
    return int(scaled)


def from_minor(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-exponent_of(currency))


def in_thousandths(amount: Decimal | int) -> int:
    """The amount in thousandths: one scale for all currencies, only for comparing and sorting."""
    return int(Decimal(amount).scaleb(3))


def tax_on_net(net_minor: int, rate_percent: Decimal) -> int:
    return _rounded(net_minor * rate_percent / 100)


def tax_within_gross(gross_minor: int, rate_percent: Decimal) -> int:
    return gross_minor - _rounded(Decimal(gross_minor) * 100 / (100 + rate_percent))


def converted(minor: int, currency: str, rate: Decimal, target: str) -> int:
    """An amount in another currency, only for showing a balance: the books never convert."""
    return _rounded((from_minor(minor, currency) * rate).scaleb(exponent_of(target)))


def _rounded(value: Decimal) -> int:
    return int(value.to_integral_value(rounding=ROUND_HALF_UP))

"""The States and Union Territories of India with their GST codes, as place of supply names them."""

from app.domain.errors import RuleBroken

INDIA = "IN"
OTHER_COUNTRY = "96"
OTHER_TERRITORY = "97"

STATES: dict[str, str] = {
    "01": "Jammu and Kashmir",
    "02": "Himachal Pradesh",
    "03": "Punjab",
    "04": "Chandigarh",
    "05": "Uttarakhand",
    "06": "Haryana",
    "07": "Delhi",
    "08": "Rajasthan",
    "09": "Uttar Pradesh",
    "10": "Bihar",
    "11": "Sikkim",
    "12": "Arunachal Pradesh",
    "13": "Nagaland",
    "14": "Manipur",
    "15": "Mizoram",
    "16": "Tripura",
    "17": "Meghalaya",
    "18": "Assam",
    "19": "West Bengal",
    "20": "Jharkhand",
    "21": "Odisha",
    "22": "Chhattisgarh",
    "23": "Madhya Pradesh",
    "24": "Gujarat",
    "25": "Daman and Diu",
    "26": "Dadra and Nagar Haveli and Daman and Diu",
    "27": "Maharashtra",
    "28": "Andhra Pradesh (before division)",
    "29": "Karnataka",
    "30": "Goa",
    "31": "Lakshadweep",
    "32": "Kerala",
    "33": "Tamil Nadu",
    "34": "Puducherry",
    "35": "Andaman and Nicobar Islands",
    "36": "Telangana",
    "37": "Andhra Pradesh",
    "38": "Ladakh",
    OTHER_COUNTRY: "Other country",
    OTHER_TERRITORY: "Other territory",
}

UNION_TERRITORIES_WITHOUT_LEGISLATURE = frozenset({"04", "25", "26", "31", "35", "38", OTHER_TERRITORY})
"""Where UTGST takes the place of SGST (UTGST Act s.1(2), s.2(8)): the territory off the coasts is one too; 25
is part of 26 since 2020."""


def check_state(code: object, *, pointer: str = "/state_code") -> str:
    """Return a two-digit GST State code inside India.

    Raises:
        RuleBroken: missing, unknown, or the code for other countries.
    """
    if not isinstance(code, str) or code not in STATES or code == OTHER_COUNTRY:
        raise RuleBroken(
            pointer, "unknown_state", "A two-digit GST State code is needed, such as 29 for Karnataka."
        )
    return code


def place_name(code: str) -> str:
    """Return the State as documents show a place of supply: `29-Karnataka`."""
    return f"{code}-{STATES[code]}"

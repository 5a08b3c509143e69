"""Files as they leave the house: encoded, tagged, decoded again and measured."""

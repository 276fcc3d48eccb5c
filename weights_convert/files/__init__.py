"""Bytes in files: mapped, checked, compared, and written so that nothing is left half done."""

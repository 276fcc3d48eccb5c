"""The MindSpore port. Import `mindspore_impl.runtime` first and call `prepare`: see there."""

"""The Jittor port. Import `jittor_impl.runtime` first and call `prepare`: see there."""

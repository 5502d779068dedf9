"""The lab: what a student works with in a notebook."""

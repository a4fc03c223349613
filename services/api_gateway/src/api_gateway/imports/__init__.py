"""Tables of sites, spaces and devices, in and out as CSV."""

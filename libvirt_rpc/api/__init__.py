"""libvirt's API calls by their names in snake case, a class a concern; Connection inherits them all."""

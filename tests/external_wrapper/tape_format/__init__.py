"""A plug-in of circus_io, as another laboratory would publish it."""

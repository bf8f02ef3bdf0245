"""A stimulator in C#, behind the vendor's signatures: its sources, and their build."""

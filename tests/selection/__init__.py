"""Which tests a change needs: by the import graph, two methods of each family, and a share that rotates."""

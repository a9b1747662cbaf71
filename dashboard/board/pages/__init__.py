"""The pages: what is asked, where it stands. Questions are in queries, drawing in charts."""

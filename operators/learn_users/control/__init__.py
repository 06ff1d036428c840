"""Control: commands about users, carried out where the users' state is."""

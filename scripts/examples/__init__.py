"""Worked examples of the methods behind the job, small enough to be read in one sitting."""

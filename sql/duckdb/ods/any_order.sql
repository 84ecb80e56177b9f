-- Full row groups whoever reads: in the order of raw row groups, two threads left under-filled ones, which the checkpoint wrote again.
SET preserve_insertion_order = FALSE;

ALTER a TYPE numeric(8,2), ALTER b TYPE numeric(12,3), ALTER c TYPE numeric, ALTER d TYPE numeric(10,4)

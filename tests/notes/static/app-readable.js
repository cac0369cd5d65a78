// its name holds none

// its name would hold its digest

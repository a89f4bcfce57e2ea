"""Registers of the simulated chip.

registers.py   what a block of registers is; bus.py: the peripheral buses; bitband.py: their bit-band aliases
nvic.py, scb.py, scs.py, systick.py, dwt.py   the core's own
rcc.py, flash.py, pwr.py, gpio.py, dma.py, usart.py, fmc.py, dbgmcu.py   the chip's
outbox.py      a USART's bytes on their way to the host
"""

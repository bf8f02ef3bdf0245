// What downloading and streaming have in common.
using System;

namespace Mcs.Usb
{
    public class CStg200xBasicNet : CMcsUsbNet
    {
        private const uint MinRate = 1000, MaxRate = 50000;
        private const int SaveStop = 0x80;

        internal CStg200xBasicNet() { }

        public void SetOutputRate(uint rate)
        {
            if (!IsThere()) return;
            bool isValid = rate >= MinRate && rate <= MaxRate && !device.RefusedRates.Contains(rate);
            if (Passes(isValid ? 0 : Status_InvalidParameter)) device.Rate = rate;
        }

        public uint GetOutputRate()
        {
            return IsThere() ? device.Rate : 0;
        }

        public void SendStart(uint triggermap)
        {
            if (Accepts(IsTriggerMap(triggermap))) device.Start(triggermap);
        }

        public void SendStop(uint triggermap)
        {
            if (Accepts(IsTriggerMap(triggermap))) device.Stop(triggermap);
        }

        public void SendStop(uint triggermap, int options)
        {
            if (Accepts(IsTriggerMap(triggermap)))
                device.Stop(triggermap, (options & SaveStop) != 0);
        }

        public void GetStgVersionInfo(out string SwVersion, out string HwVersion)
        {
            SwVersion = IsThere() ? "simulated" : "";
            HwVersion = device == null ? "" : device.Entry().HwVersion;
        }

        public virtual int GetDACResolution()
        {
            return IsThere() ? device.DacBits : 0;
        }

        public virtual int GetCurrentRangeInNanoAmp(uint channel)
        {
            return Accepts(IsChannel(channel)) ? device.CurrentRange : 0;
        }

        public virtual int GetCurrentResolutionInNanoAmp(uint channel)
        {
            return Accepts(IsChannel(channel)) ? device.CurrentResolution : 0;
        }

        public virtual int GetVoltageRangeInMicroVolt(uint channel)
        {
            return Accepts(IsChannel(channel)) ? device.VoltageRange : 0;
        }

        public virtual int GetVoltageResolutionInMicroVolt(uint channel)
        {
            return Accepts(IsChannel(channel)) ? device.VoltageResolution : 0;
        }

        public uint GetTotalMemory()
        {
            return IsThere() ? device.TotalMemory : 0;
        }

#if GENERATION_5
        public uint GetAvailableMemory()
#else
        public uint GetMemory()
#endif
        {
            return IsThere() ? device.Store.Available() : 0;
        }

        public virtual uint GetNumberOfAnalogChannels()
        {
            return IsThere() ? (uint)device.NChannels : 0;
        }

        public virtual uint GetNumberOfSyncoutChannels()
        {
            return IsThere() ? (uint)device.NChannels : 0;
        }

        public virtual uint GetNumberOfTriggerInputs()
        {
            return IsThere() ? (uint)device.NChannels : 0;
        }

        public virtual uint GetNumberOfHWDACPaths()
        {
            return IsThere() ? (uint)device.NChannels : 0;
        }

        public virtual void SetVoltageMode()
        {
            SetMode(true);
        }

        public virtual void SetVoltageMode(uint channel)
        {
            SetMode(channel, true);
        }

        public virtual void SetCurrentMode()
        {
            SetMode(false);
        }

        public virtual void SetCurrentMode(uint channel)
        {
            SetMode(channel, false);
        }

#if GENERATION_5
        public virtual int GetTimeResolutionInNanoSeconds()
        {
            return IsThere() ? SimDevice.TickNs : 0;
        }
#endif

        private void SetMode(bool isVoltage)
        {
            if (!IsThere()) return;
            for (uint channel = 0; channel < device.NChannels; channel++)
                device.Channels[channel].IsVoltage = isVoltage;
        }

        private void SetMode(uint channel, bool isVoltage)
        {
            if (Accepts(IsChannel(channel))) device.Channels[channel].IsVoltage = isVoltage;
        }

        internal bool IsChannel(uint channel)
        {
            return device != null && channel < device.NChannels;
        }

        internal bool IsTriggerMap(uint map)
        {
            return device != null && (ulong)map < 1ul << device.NChannels;
        }
    }
}
